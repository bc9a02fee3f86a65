/* Fill every vector register from memory, make a hypercall that uses them, store them again: for fpu.c.
 * struct fpu_image: 0000 ymm[16][32], 0200 mxcsr, 0204 x87 control, 0208 st0 (80 bits) */
#define EACH(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#define LOAD_X(n)  movups 32*n(%rdi), %xmm##n;
#define STORE_X(n) movups %xmm##n, 32*n(%rsi);
#define LOAD_Y(n)  vmovups 32*n(%rdi), %ymm##n;
#define STORE_Y(n) vmovups %ymm##n, 32*n(%rsi);

    .text
    .globl fpu_across, fpu_load_y, fpu_store_y
/* rdi: in, rsi: out, rdx: rax of the hypercall, rcx: rbx of it; both may be repeated: r8 times */
fpu_across:
    push %rbx
    push %rbp
    mov %rdx, %rbp
    mov %rcx, %rbx
    fninit
    fldcw 0x204(%rdi)
    fldt 0x208(%rdi)
    ldmxcsr 0x200(%rdi)
    EACH(LOAD_X)
1:  mov %rbp, %rax
    call gt_hypercall
    dec %r8
    jnz 1b
    EACH(STORE_X)
    stmxcsr 0x200(%rsi)
    fnstcw 0x204(%rsi)
    fstpt 0x208(%rsi)
    pop %rbp
    pop %rbx
    ret
fpu_load_y:
    EACH(LOAD_Y)
    ret
fpu_store_y:                            /* rsi: out */
    EACH(STORE_Y)
    ret
    .section .note.GNU-stack, "", @progbits
