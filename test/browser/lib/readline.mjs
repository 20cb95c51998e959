// Lines of standard input, which the page is handed one by one.
export function createInterface() {
  return {
    on: (_, take) => { globalThis.line = take; },
  };
}
