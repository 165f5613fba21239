// about: changed assembly outside functions
// matrix: -O0 | -O2 | clang -O2
// refused: asm at file scope differs[^}]*"where": "main.c"
#include <stdio.h>

#ifdef __aarch64__
#define RESULT(n) "mov w0, #" n
#else
#define RESULT(n) "movl $" n ", %eax"
#endif

__asm__(".pushsection .text\n.globl answer\n.type answer, @function\nanswer:\n\t" RESULT("41") "\n\tret\n.size answer, . - answer\n.popsection"); // before
__asm__(".pushsection .text\n.globl answer\n.type answer, @function\nanswer:\n\t" RESULT("42") "\n\tret\n.size answer, . - answer\n.popsection"); // after
int answer(void);

void call(int n) { printf("%d %d\n", n, answer()); }
