import assert from 'node:assert/strict';
import { test } from 'node:test';
import { throughGot } from './got-access.ts';

const cases: [statement: string, replaced: string | undefined][] = [
  ['\tmovq\tstderr(%rip), %rdi', 'movq stderr@GOTPCREL(%rip), %rdi; movq (%rdi), %rdi'],
  ['\tmovl\tstderr(%rip), %r9d', 'movq stderr@GOTPCREL(%rip), %r9; movl (%r9), %r9d'],
  ['\tmovzbl\tstderr+3(%rip), %eax', 'movq stderr@GOTPCREL(%rip), %rax; movzbl 3(%rax), %eax'],
  ['\tmovslq\tstderr-4(%rip), %rbx', 'movq stderr@GOTPCREL(%rip), %rbx; movslq -4(%rbx), %rbx'],
  ['\tleaq\tstderr(%rip), %rax', 'movq stderr@GOTPCREL(%rip), %rax'],
  ['\tleaq\tstderr+16(%rip), %rax', 'movq stderr@GOTPCREL(%rip), %rax; leaq 16(%rax), %rax'],
  ['\tmovl\t$stderr, %edi', 'movq stderr@GOTPCREL(%rip), %rdi'],
  ['\tmovq\tstderr, %rdi', 'movq stderr@GOTPCREL(%rip), %rdi; movq (%rdi), %rdi'],
  // The register holds more than the result, or there is none.
  ['\tmovb\tstderr(%rip), %al', undefined],
  ['\tmovw\tstderr(%rip), %ax', undefined],
  ['\tmovl\t%eax, stderr(%rip)', undefined],
  ['\taddl\tstderr(%rip), %eax', undefined],
  ['\tmovsd\tstderr(%rip), %xmm0', undefined],
  ['\tcmpq\t$0, stderr(%rip)', undefined],
  // Another symbol, or another way to reach it.
  ['\tmovq\tstderr2(%rip), %rdi', undefined],
  ['\tmovq\tstderr@GOTPCREL(%rip), %rdi', undefined],
  ['\tcall\tstderr', undefined],
];

for (const [statement, expected] of cases) {
  test(`${statement.trim().replace(/\s+/g, ' ')} ${expected === undefined ? 'stays' : 'goes through the GOT'}`, () => {
    const replaced = throughGot(statement, 'stderr');
    assert.equal(replaced?.trim().replace(/\n\t/g, '; ').replace(/\t/g, ' '), expected);
  });
}
