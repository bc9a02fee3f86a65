/* One turn of the guest. Source: APM Volume 2, 15.5 "VMRUN Instruction": VMRUN and #VMEXIT switch RAX, RSP, RIP, RFLAGS,
 * CS, SS, DS, ES, CR0, CR3, CR4, EFER, GDTR and IDTR; VMLOAD and VMSAVE move FS, GS, TR, LDTR with their hidden parts,
 * KernelGSBase, STAR.. and SYSENTER..; everything else is ours to keep apart. */
#define VCPU_VMCB_PA      0x30
#define VCPU_HOST_VMCB_PA 0x38
#define VCPU_GPR(n)       (0x40 + 8 * (n))

    .section .text.svm_run_asm, "ax"
    .globl svm_run_asm
    .hidden svm_run_asm
    .type svm_run_asm, @function
svm_run_asm:                            /* rdi: struct vmm_vcpu */
    push %rbp
    mov %rsp, %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    push %rdi
    mov VCPU_VMCB_PA(%rdi), %rax
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
    vmload %rax
    vmrun %rax
    vmsave %rax
    mov (%rsp), %rax                    /* the vCPU again */
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
    mov VCPU_HOST_VMCB_PA(%rax), %rax
    vmload %rax
    pop %rdi
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size svm_run_asm, . - svm_run_asm
    .section .note.GNU-stack, "", @progbits
