/* The test guests' way in, out of and into pieces of code: see gt.h. */
#define KERNEL_CS 0x08
#define KERNEL_SS 0x10
#define USER_SS   0x1b
#define USER_CS   0x23
#define TR        0x28

    .text
    .globl gt_enter
    .type gt_enter, @function
gt_enter:                               /* rdi: stack, rsi: function, rdx: gdtr, rcx: idtr, r8: cr3 */
    pushfq
    cli
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    .irp s, cs, ss, gs, fs, es, ds
    mov %\s, %eax
    push %rax
    .endr
    .irp c, cr0, cr3, cr4
    mov %\c, %rax
    push %rax
    .endr
    sub $32, %rsp
    sgdt (%rsp)
    sidt 16(%rsp)
    mov %rsp, firmware_rsp(%rip)
    mov %rdi, %rsp
    xor %ebp, %ebp
    mov %r8, %cr3
    lgdt (%rdx)
    lidt (%rcx)
    mov $KERNEL_SS, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov %eax, %ss
    mov $TR, %eax
    ltr %ax
    push $KERNEL_CS
    lea 1f(%rip), %rax
    push %rax
    lretq
1:  call *%rsi
    ud2

/* Back to where gt_enter was called: everything it has pushed, the task register apart, which firmware does not use. */
    .globl gt_leave
    .type gt_leave, @function
gt_leave:
    cli
    mov firmware_rsp(%rip), %rsp
    lgdt (%rsp)
    lidt 16(%rsp)
    add $32, %rsp
    .irp c, cr4, cr3, cr0
    pop %rax
    mov %rax, %\c
    .endr
    .irp s, ds, es, fs, gs, ss
    pop %rax
    mov %eax, %\s
    .endr
    lea 1f(%rip), %rax                  /* CS is on the stack already */
    push %rax
    lretq
1:  pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    popfq
    ret

    .globl gt_run
    .type gt_run, @function
gt_run:                                 /* rdi: struct gt_state */
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, gt_saved_rsp(%rip)
    mov %rdi, gt_running(%rip)
    mov 0x20(%rdi), %rax
    cmpq $0, 0xa8(%rdi)
    jne 1f
    test %rax, %rax
    cmovz %rsp, %rax
    push $KERNEL_SS
    push %rax
    push 0x88(%rdi)
    push $KERNEL_CS
    jmp 2f
1:  push $USER_SS
    push %rax
    push 0x88(%rdi)
    push $USER_CS
2:  push 0x80(%rdi)
    mov 0x00(%rdi), %rax
    mov 0x08(%rdi), %rcx
    mov 0x10(%rdi), %rdx
    mov 0x18(%rdi), %rbx
    mov 0x28(%rdi), %rbp
    mov 0x30(%rdi), %rsi
    mov 0x40(%rdi), %r8
    mov 0x48(%rdi), %r9
    mov 0x50(%rdi), %r10
    mov 0x58(%rdi), %r11
    mov 0x60(%rdi), %r12
    mov 0x68(%rdi), %r13
    mov 0x70(%rdi), %r14
    mov 0x78(%rdi), %r15
    mov 0x38(%rdi), %rdi
    iretq

    .globl gt_resume
    .type gt_resume, @function
gt_resume:                              /* out of the exception, back to gt_run's caller */
    mov gt_saved_rsp(%rip), %rsp
    cld
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .globl gt_call_asm
    .type gt_call_asm, @function
gt_call_asm:                            /* rdi: rax, rsi: rbx, rdx: rcx, rcx: rdx */
    push %rbx
    mov %rdi, %rax
    mov %rsi, %rbx
    xchg %rcx, %rdx
    call gt_hypercall
    pop %rbx
    ret

    .globl gt_hypercall
    .type gt_hypercall, @function
gt_hypercall:                           /* the vendor's instruction; changes no register itself */
    cmpb $0, gt_intel(%rip)
    jne 1f
    vmmcall
    ret
1:  vmcall
    ret

/* Vectors that push an error code: 8, 10-14, 17, 21, 29, 30. APM Volume 2, table 8-1. */
    .macro STUB vector
stub\vector:
    .if \vector > 31 || !((0x60227d00 >> \vector) & 1)
    push $0
    .endif
    push $\vector
    jmp common
    .endm
    .altmacro
    .macro STUBS from to
    STUB %\from
    .if \from < \to
    STUBS %(\from+1) \to
    .endif
    .endm
    STUBS 0 31
    STUBS 32 63

common:
    push %rax
    push %rcx
    push %rdx
    push %rbx
    push %rbp
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    cld
    mov %rsp, %rdi
    and $-16, %rsp
    push %rdi
    sub $8, %rsp
    call gt_dispatch
    add $8, %rsp
    pop %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rbp
    pop %rbx
    pop %rdx
    pop %rcx
    pop %rax
    add $16, %rsp
    iretq

    .section .rodata.gt_stubs, "a"
    .globl gt_stubs
    .balign 4
gt_stubs:
    .macro ENTRY vector
    .long stub\vector - gt_stubs
    .endm
    .macro ENTRIES from to
    ENTRY %\from
    .if \from < \to
    ENTRIES %(\from+1) \to
    .endif
    .endm
    ENTRIES 0 31
    ENTRIES 32 63
    .local firmware_rsp
    .comm firmware_rsp, 8, 8
    .section .note.GNU-stack, "", @progbits
