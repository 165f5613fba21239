/**
 * Commands that libcare-cc noted, one file for each in DIR/.suture/noted: words that end in a zero. The folder, the
 * value of PATH, then the compiler and its arguments.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { loadRecord, type RecordedCommand, recordPath, saveRecord } from './record.ts';
import { mergeRecord } from './recorder.ts';
import { expandResponseFiles } from './response-file.ts';

/** Takes what was noted into the tree's record. A file that a killed compile wrote half counts as nothing. */
export function takeNoted(root: string): void {
  const folder = path.join(path.dirname(recordPath(root)), 'noted');
  if (!fs.existsSync(folder)) return;
  const files = fs
    .readdirSync(folder)
    .map((name) => path.join(folder, name))
    .map((file) => ({ file, at: fs.statSync(file).mtimeMs }))
    .sort((a, b) => a.at - b.at || (a.file < b.file ? -1 : 1));
  if (files.length === 0) return;
  const seen = files.flatMap(({ file }) => commandsIn(fs.readFileSync(file, 'utf8')));
  saveRecord(root, mergeRecord(root, loadRecord(root), seen));
  for (const { file } of files) fs.rmSync(file);
}

/** Each command begins with the number of its words. */
function commandsIn(text: string): RecordedCommand[] {
  const words = text.split('\0').slice(0, -1);
  const commands: RecordedCommand[] = [];
  for (let at = 0; at < words.length; ) {
    const count = Number(words[at]);
    const [directory, searched, ...argv] = words.slice(at + 1, at + 1 + count);
    at += 1 + count;
    if (!Number.isInteger(count) || count < 3 || at > words.length || directory === undefined) break;
    const read = (file: string): string | undefined => {
      const named = path.resolve(directory, file);
      return fs.existsSync(named) ? fs.readFileSync(named, 'utf8') : undefined;
    };
    const environment = searched === undefined || searched === '' ? {} : { PATH: searched };
    commands.push({ directory, arguments: expandResponseFiles(argv, read), environment });
  }
  return commands;
}
