// What programs of test/node use of Node.js, as far as a page can have it.
export {Buffer} from 'buffer';

export const process = {
  env: globalThis.story,
  pid: Math.floor(Math.random() * 1e9),
  stdout: {
    write(text, done) {
      void globalThis.tell(text).then(done);
    },
  },
  exit: code => void globalThis.over(code),
};
