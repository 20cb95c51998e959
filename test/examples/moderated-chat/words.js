// Covers words that nobody should have to read.
const bad = ['darn', 'heck', 'blast'];

// A word is what has no letter or digit beside it, in any script: a place name that
// holds a bad word is none.
const pattern = new RegExp(`(?<![\\p{L}\\p{N}])(?:${bad.join('|')})(?![\\p{L}\\p{N}])`, 'giu');

export const cover = text => text.replace(pattern, word => '*'.repeat(word.length));
