// about: changed assembly outside functions
// matrix: -O0 | -O2 | clang -O2
// refused: asm at file scope differs[^}]*"where": "main.c"
#include <stdio.h>

__asm__(".pushsection .text\n.globl answer\n.type answer, @function\nanswer:\n\tmov $41, %eax\n\tret\n.size answer, . - answer\n.popsection"); // before
__asm__(".pushsection .text\n.globl answer\n.type answer, @function\nanswer:\n\tmov $42, %eax\n\tret\n.size answer, . - answer\n.popsection"); // after
int answer(void);

void call(int n) { printf("%d %d\n", n, answer()); }
