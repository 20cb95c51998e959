package store

import "unsafe"

// What a collection keeps is never written again, whether it came as bytes or is
// handed out as bytes, so both forms may share it. As text it takes eight bytes
// less in every place and can be compared and found without a copy.

// textOf returns b as text. b must never be written again.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf returns what s holds, for reading only.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
