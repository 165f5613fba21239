/** `libcare-client`: sends words to the server and copies what it answers. */
import { connect } from 'node:net';
import { ended, FAILED, type Voice } from './voice.ts';
import { encodeWords, MAX_MESSAGE, MAX_WORDS } from './words.ts';

const USAGE = 'usage: libcare-client [/SOCKET] WORD...\n';
const DEFAULT_SOCKET = '/var/run/libcare.sock';

function main(voice: Voice): Promise<number> | number {
  const words = process.argv.slice(2);
  const socket = words[0]?.startsWith('/') ? (words.shift() ?? '') : DEFAULT_SOCKET;
  if (words.length === 0 || words[0] === '-h') {
    voice.err(USAGE);
    return FAILED;
  }
  const message = encodeWords(words);
  if (message.length >= MAX_MESSAGE || words.length > MAX_WORDS || words.includes('')) {
    voice.err(
      `libcare-client: the server takes up to ${MAX_WORDS} words and ${MAX_MESSAGE} bytes, none of them empty\n`,
    );
    return FAILED;
  }
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.on('error', (error) => {
      voice.err(`libcare-client: ${socket}: ${error.message}\n`);
      resolve(FAILED);
    });
    connection.on('data', (bytes) => voice.out(bytes.toString('utf8')));
    connection.on('end', () => resolve(0));
    connection.write(message);
  });
}

export const command = (): Promise<void> => ended('libcare-client', main);
