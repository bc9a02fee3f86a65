/* Fill every vector register from memory, make a hypercall that uses them, store them again: for fpu.c.
 * struct fpu_image: 0000 ymm[16][32], 0200 mxcsr, 0204 x87 control, 0208 st0 (80 bits) */
#define EACH(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#define LOAD_X(n)  movups 32*n(%rdi), %xmm##n;
#define STORE_X(n) movups %xmm##n, 32*n(%rsi);
#define LOAD_Y(n)  vmovups 32*n(%rdi), %ymm##n;
#define STORE_Y(n) vmovups %ymm##n, 32*n(%rsi);
#define EACH_HIGH(op) op(16) op(17) op(18) op(19) op(20) op(21) op(22) op(23) op(24) op(25) op(26) op(27) op(28) op(29) op(30) op(31)
#define EACH_MASK(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7)
#define LOAD_Z(n)  vmovups 64*n(%rdi), %zmm##n;
#define STORE_Z(n) vmovups %zmm##n, 64*n(%rsi);
#define LOAD_K(n)  kmovw 0x800+8*n(%rdi), %k##n;
#define STORE_K(n) kmovw %k##n, 0x800+8*n(%rsi);

    .text
    .globl fpu_across, fpu_load_y, fpu_store_y, fpu_load_z, fpu_store_z
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
/* struct zmm_image: 0000 zmm[32][64], 0800 opmask[8] */
fpu_load_z:
    EACH(LOAD_Z)
    EACH_HIGH(LOAD_Z)
    EACH_MASK(LOAD_K)
    ret
fpu_store_z:                            /* rsi: out */
    EACH(STORE_Z)
    EACH_HIGH(STORE_Z)
    EACH_MASK(STORE_K)
    ret
    .section .note.GNU-stack, "", @progbits
