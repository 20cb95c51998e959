// The browser that the system has.
import {existsSync} from 'node:fs';
import {delimiter, join} from 'node:path';
import {chromium} from 'playwright-core';

function path() {
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  const folders = (process.env.PATH ?? '').split(delimiter);
  const found = names.flatMap(name => folders.map(folder => join(folder, name))).find(existsSync);
  if (found === undefined) throw new Error(`need a browser: none of ${names.join(', ')} is in the PATH`);
  return found;
}

/**
 * Starts a browser without a window. Of all certificates that nobody vouches for it
 * takes the broker's alone, if a story has one.
 */
export function launch() {
  const pin = process.env.STORY_PIN;
  const args = pin ? [`--ignore-certificate-errors-spki-list=${pin}`] : [];
  const proxy = process.env.STORY_PROXY; // which knows names that DNS does not
  if (proxy) args.push(`--proxy-server=${proxy}`);
  return chromium.launch({executablePath: path(), args});
}
