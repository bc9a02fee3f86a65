/* void native_enter(void): load the registers of native_in, jump to the far pointer native_target; the code there ends
 * with a jump to native_leave (64-bit), which stores the registers in native_out and returns to the caller of
 * native_enter. A signal handler may resume at native_leave as well. */
    .text
    .globl native_enter, native_leave
    .hidden native_enter, native_leave
native_enter:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, native_host_rsp(%rip)
    mov %ds, native_host_ds(%rip)
    mov %es, native_host_es(%rip)
    mov %ss, native_host_ss(%rip)
    pushq native_in+128(%rip)
    popfq
    mov native_ds(%rip), %ds        /* moves leave the flags alone */
    mov native_es(%rip), %es
    mov native_in+0(%rip), %rax
    mov native_in+8(%rip), %rcx
    mov native_in+16(%rip), %rdx
    mov native_in+24(%rip), %rbx
    mov native_in+40(%rip), %rbp
    mov native_in+48(%rip), %rsi
    mov native_in+56(%rip), %rdi
    mov native_in+64(%rip), %r8
    mov native_in+72(%rip), %r9
    mov native_in+80(%rip), %r10
    mov native_in+88(%rip), %r11
    mov native_in+96(%rip), %r12
    mov native_in+104(%rip), %r13
    mov native_in+112(%rip), %r14
    mov native_in+120(%rip), %r15
    mov native_ss(%rip), %ss
    mov native_in+32(%rip), %rsp
    ljmpl *native_target(%rip)

native_leave:
    mov %rax, native_out+0(%rip)
    mov %rcx, native_out+8(%rip)
    mov %rdx, native_out+16(%rip)
    mov %rbx, native_out+24(%rip)
    mov %rsp, native_out+32(%rip)
    mov %rbp, native_out+40(%rip)
    mov %rsi, native_out+48(%rip)
    mov %rdi, native_out+56(%rip)
    mov %r8, native_out+64(%rip)
    mov %r9, native_out+72(%rip)
    mov %r10, native_out+80(%rip)
    mov %r11, native_out+88(%rip)
    mov %r12, native_out+96(%rip)
    mov %r13, native_out+104(%rip)
    mov %r14, native_out+112(%rip)
    mov %r15, native_out+120(%rip)
    mov native_host_ss(%rip), %ss
    mov native_host_rsp(%rip), %rsp
    mov native_host_ds(%rip), %ds
    mov native_host_es(%rip), %es
    pushfq
    popq native_out+128(%rip)
    cld
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .bss
    .balign 8
native_host_rsp: .skip 8
native_host_ds: .skip 2
native_host_es: .skip 2
native_host_ss: .skip 2
    .section .note.GNU-stack, "", @progbits
