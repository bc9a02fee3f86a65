/* The moment of launch, in the application's own copy of the code: what the caller will find when it wakes as the guest. */
    .section .text.vmm_launch_frame, "ax"
    .globl vmm_launch_asm
    .hidden vmm_launch_asm
    .type vmm_launch_asm, @function
vmm_launch_asm:                         /* rdi, rdx: arguments of fn; rsi: fn; rdx: struct launch_frame { rip, rsp } */
    pushfq
    push %rbp
    mov %rsp, %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    cli
    lea 1f(%rip), %rax
    mov %rax, (%rdx)
    mov %rsp, 8(%rdx)
    mov %rsi, %rax
    mov %rdx, %rsi
    call *%rax                          /* comes back only when it has declined: eax is the error */
1:                                      /* the guest's first instruction: rax is 0 */
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    popfq
    ret
    .size vmm_launch_asm, . - vmm_launch_asm
    .section .note.GNU-stack, "", @progbits
