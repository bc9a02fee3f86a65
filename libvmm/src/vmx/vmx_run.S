/* One turn of the guest. Source: Intel SDM Volume 3C, chapter 26 "VM Entries", 27.5 "Loading Host State": entry and exit
 * switch RSP, RIP, RFLAGS, CR0, CR3, CR4, DR7, EFER, PAT and the segments with their tables; everything else is ours to
 * keep apart, or stays the guest's (CR2, debug and vector registers, the system-call registers). */
#define VCPU_GPR(n)     (0x40 + 8 * (n))
#define CPU_NMI_IN_HOST 0x14
#define VMCS_HOST_RSP   0x6c14

    .section .text.vmx_run_asm, "ax"
    .globl vmx_run_asm, vmx_run_from, vmx_run_to, vmx_run_nmi, vmx_run_exit
    .hidden vmx_run_asm, vmx_run_from, vmx_run_to, vmx_run_nmi, vmx_run_exit
    .type vmx_run_asm, @function
vmx_run_asm:                            /* rdi: struct vmm_vcpu; rsi: struct vmx_cpu; dl: launched before */
    push %rbp
    mov %rsp, %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    push %rdi
    mov $VMCS_HOST_RSP, %eax
    vmwrite %rsp, %rax
vmx_run_from:
    cmpl $0, CPU_NMI_IN_HOST(%rsi)
    jne vmx_run_nmi
    test %dl, %dl                       /* nothing from here to the jump changes the flags */
    mov VCPU_GPR(0)(%rdi), %rax
    mov VCPU_GPR(1)(%rdi), %rcx
    mov VCPU_GPR(2)(%rdi), %rdx
    mov VCPU_GPR(3)(%rdi), %rbx
    mov VCPU_GPR(5)(%rdi), %rbp
    mov VCPU_GPR(6)(%rdi), %rsi
    mov VCPU_GPR(8)(%rdi), %r8
    mov VCPU_GPR(9)(%rdi), %r9
    mov VCPU_GPR(10)(%rdi), %r10
    mov VCPU_GPR(11)(%rdi), %r11
    mov VCPU_GPR(12)(%rdi), %r12
    mov VCPU_GPR(13)(%rdi), %r13
    mov VCPU_GPR(14)(%rdi), %r14
    mov VCPU_GPR(15)(%rdi), %r15
    mov VCPU_GPR(7)(%rdi), %rdi
    jnz 1f
    vmlaunch
    jmp 2f
1:  vmresume
vmx_run_to:
2:  mov $2, %eax                        /* VMX_RUN_FAILED: the instruction itself was refused */
    jmp 3f
vmx_run_nmi:
    mov $1, %eax                        /* VMX_RUN_NMI */
    jmp 3f
vmx_run_exit:                           /* HOST_RIP */
    push %rax
    mov 8(%rsp), %rax                   /* the vCPU again */
    mov %rcx, VCPU_GPR(1)(%rax)
    mov %rdx, VCPU_GPR(2)(%rax)
    mov %rbx, VCPU_GPR(3)(%rax)
    mov %rbp, VCPU_GPR(5)(%rax)
    mov %rsi, VCPU_GPR(6)(%rax)
    mov %rdi, VCPU_GPR(7)(%rax)
    mov %r8,  VCPU_GPR(8)(%rax)
    mov %r9,  VCPU_GPR(9)(%rax)
    mov %r10, VCPU_GPR(10)(%rax)
    mov %r11, VCPU_GPR(11)(%rax)
    mov %r12, VCPU_GPR(12)(%rax)
    mov %r13, VCPU_GPR(13)(%rax)
    mov %r14, VCPU_GPR(14)(%rax)
    mov %r15, VCPU_GPR(15)(%rax)
    pop VCPU_GPR(0)(%rax)
    xor %eax, %eax                      /* VMX_RUN_EXIT */
3:  cld
    pop %rdi
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size vmx_run_asm, . - vmx_run_asm
    .section .note.GNU-stack, "", @progbits
