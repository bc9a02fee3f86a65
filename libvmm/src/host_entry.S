/* Descriptor tables in, exceptions out. */
#define HOST_CS 0x08
#define HOST_SS 0x10
#define HOST_TR 0x18

    .section .text.host_entry, "ax"
    .globl host_load
    .hidden host_load
    .type host_load, @function
host_load:                              /* rdi: gdtr, rsi: idtr */
    lgdt (%rdi)
    lidt (%rsi)
    pop %rax
    push $HOST_CS
    push %rax
    mov $HOST_SS, %eax
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov $HOST_TR, %eax
    ltr %ax
    lretq
    .size host_load, . - host_load

    .globl host_switch_stack
    .hidden host_switch_stack
    .type host_switch_stack, @function
host_switch_stack:                      /* rdi: vCPU, rsi: stack, rdx: function */
    mov %rsi, %rsp
    xor %ebp, %ebp
    call *%rdx
    ud2
    .size host_switch_stack, . - host_switch_stack

/* Vectors that push an error code: 8, 10-14, 17, 21, 29, 30. APM Volume 2, table 8-1. */
    .balign 16
    .globl host_stubs
    .hidden host_stubs
host_stubs:                             /* one every 16 bytes */
    .irp vector, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    .balign 16
    .if !((0x60227d00 >> \vector) & 1)
    push $0
    .endif
    push $\vector
    jmp common
    .endr

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
    lea 0x78+16+8(%rsp), %rbp           /* never followed below an interrupted frame: the report uses frame->rbp */
    call host_exception
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

    .section .note.GNU-stack, "", @progbits
