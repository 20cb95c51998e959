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

/** Starts a browser without a window. */
export const launch = () => chromium.launch({executablePath: path()});
