/** What a compiler alone takes for the units of a fix, in both versions: the floor of building a patch. */
import { readFileSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { run } from '../programs/harness.ts';

interface CompileCommand {
  readonly directory: string;
  readonly command: string;
  readonly file: string;
}

/**
 * Seconds for compiling every C file of `files` twice, two compilers at a time, as ninja would on this machine. The
 * fixed version is not compiled itself, because the tree stays as it is; it takes what the other takes.
 */
export async function compileTime(tree: string, files: readonly string[]): Promise<number> {
  const root = realpathSync(tree);
  const build = resolve(root, 'build');
  const all = JSON.parse(readFileSync(resolve(build, 'compile_commands.json'), 'utf8')) as CompileCommand[];
  const wanted = new Set(files.map((file) => resolve(root, file)));
  const commands = all.filter(({ directory, file, command }) => {
    return wanted.has(resolve(directory, file)) && !command.includes('storage-daemon');
  });
  if (commands.length === 0) throw new Error(`no compile command for ${files.join(', ')}`);
  const start = performance.now();
  // One version after the other, as the tree can hold only one.
  for (const queue of [[...commands], [...commands]]) {
    const work = async (): Promise<void> => {
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) await compile(next);
    };
    await Promise.all([work(), work()]);
  }
  return (performance.now() - start) / 1000;
}

async function compile({ directory, command }: CompileCommand): Promise<void> {
  const alone = command.replace(/ -o \S+/, ' -o /dev/null').replace(/ -M[DPFQ]+( [^- ]\S*)?/g, '');
  const { code, stderr } = await run('sh', ['-c', alone], { cwd: directory });
  if (code !== 0) throw new Error(`${alone}\nended with ${code}: ${stderr}`);
}
