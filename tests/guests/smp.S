/* Where the smp guest starts other processors: copied to pages below 1 MiB. Real mode to 64-bit mode on the first
 * processor's page tables, noting on the way what the processor looked like. Source: APM Volume 2, 14.8 "Initializing
 * Long Mode", 14.1.3 "Processor Initialization State". */
    .section .rodata.smp_start, "a"
    .globl smp_start, smp_start_data, smp_start_end
    .balign 16
smp_start:
    .code16
    cli
    mov %cs, %bp
    mov %bp, %ds
    movzwl %bp, %ebp
    mov %ebp, %esi
    shl $4, %esi
    mov %eax, smp_eax - smp_start
    mov %edx, smp_edx - smp_start
    mov %cr0, %eax
    mov %eax, smp_cr0 - smp_start
    mov %cr4, %eax
    mov %eax, smp_cr4 - smp_start
    mov $0xc0000080, %ecx
    rdmsr
    mov %eax, smp_efer - smp_start
    lgdtl gdtr - smp_start
    mov $0x11, %eax
    mov %eax, %cr0
    ljmpl *(far32 - smp_start)
    .code32
in32:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $0x620, %eax
    mov %eax, %cr4
    mov (cr3 - smp_start)(%esi), %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    rdmsr
    or $0x900, %eax
    wrmsr
    mov $0x80010011, %eax
    mov %eax, %cr0
    ljmpl *(far64 - smp_start)(%esi)
    .code64
in64:
    mov $1, %eax
    cpuid
    mov %ebx, %edi
    shr $24, %edi                       /* APIC id */
    mov %edi, %eax
    inc %eax
    shl $12, %eax
    mov (stacks - smp_start)(%rsi), %rsp
    add %rax, %rsp
    jmp *(entry - smp_start)(%rsi)      /* edi: id, rsi: this page */
    .balign 8
gdt:
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00209b0000000000
smp_start_data:                         /* struct smp_data */
gdtr:
    .word 31
    .long gdt - smp_start
    .word 0
far32:
    .long in32 - smp_start
    .long 0x08
far64:
    .long in64 - smp_start
    .long 0x18
cr3:
    .quad 0
stacks:
    .quad 0
entry:
    .quad 0
smp_eax:
    .long 0
smp_edx:
    .long 0
smp_cr0:
    .long 0
smp_cr4:
    .long 0
smp_efer:
    .long 0
smp_start_end:

/* What an NMI finds that a processor takes on its way from INIT to the guest's first instruction: by the real-mode table
 * at 0, and by the same bytes read as a table of protected mode. Below the hypervisor VM_CR says that SVM is off. */
    .section .rodata.smp_nmi, "a"
    .globl smp_nmi16, smp_nmi32, smp_nmi_end
smp_nmi16:
    .code16
    xor %ax, %ax
    mov %ax, %ds
    mov $0xc0010114, %ecx
    rdmsr
    mov %eax, 0x604
    movl $16, 0x600
1:  hlt
    jmp 1b
smp_nmi32:
    .code32
    mov $0x10, %eax
    mov %eax, %ds
    mov $0xc0010114, %ecx
    rdmsr
    mov %eax, 0x604
    movl $32, 0x600
1:  hlt
    jmp 1b
smp_nmi_end:
    .section .note.GNU-stack, "", @progbits
