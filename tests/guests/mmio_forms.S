/* Instruction forms that reach memory through RBX, RSI, RDI or RIP, for mmio.c. In the table: name, code, length.
 * RBX, RSI, RDI point into the window's tested pages, R9 holds a small index, RCX a small count, GS.base is 0x20.
 * RIP-relative ones run in GT_CODE, MOVABS names window page 3. */
    .macro FORM insn:vararg
    .pushsection .rodata.mmio_name, "a"
8:  .asciz "\insn"
    .popsection
    .pushsection .rodata.mmio_code, "a"
6:  \insn
7:  .popsection
    .pushsection .data.rel.ro.mmio_forms, "aw"
    .quad 8b, 6b, 7b - 6b
    .popsection
    .endm

    .pushsection .data.rel.ro.mmio_forms, "aw"
    .globl mmio_forms
    .balign 8
mmio_forms:
    .popsection

    /* every width, both directions, immediate, high bytes, REX registers */
    FORM movb %al, (%rbx)
    FORM movb %ah, (%rbx)
    FORM movb %sil, 1(%rbx)
    FORM movb %r10b, (%rbx)
    FORM movw %dx, (%rbx)
    FORM movl %edx, (%rbx)
    FORM movq %rdx, (%rbx)
    FORM movl %r15d, 4(%rbx)
    FORM movq %r15, 8(%rbx)
    FORM movb (%rbx), %al
    FORM movb (%rbx), %dh
    FORM movb (%rbx), %r11b
    FORM movw (%rbx), %ax
    FORM movl (%rbx), %eax
    FORM movq (%rbx), %rax
    FORM movl (%rbx), %r12d
    FORM movb $0x5a, (%rbx)
    FORM movw $0x1234, (%rbx)
    FORM movl $0x89abcdef, (%rbx)
    FORM movq $-2, (%rbx)
    FORM movnti %eax, (%rbx)
    FORM movnti %r8, (%rbx)
    FORM movbe %eax, (%rbx)
    FORM movbe (%rbx), %r8
    FORM movbe (%rbx), %ax
    FORM movw %ds, (%rbx)
    /* addressing */
    FORM movl 0x40(%rbx), %eax
    FORM movl -0x40(%rbx), %eax
    FORM movl 0x123(%rbx), %eax
    FORM movl (%rbx,%r9), %eax
    FORM movl (%rbx,%r9,2), %eax
    FORM movl (%rbx,%r9,4), %eax
    FORM movl 0x10(%rbx,%r9,8), %eax
    FORM movl %eax, -0x10(%rbx,%r9,8)
    FORM movl %gs:(%rbx), %eax
    FORM movl %eax, %gs:8(%rbx,%r9,4)
    FORM movl 0x2100(%rip), %eax
    FORM movq %rax, 0x2200(%rip)
    FORM movl $0x11223344, 0x2300(%rip)
    FORM cmpb $0x7f, 0x2400(%rip)
    FORM movabs 0x8000003010, %al
    FORM movabs 0x8000003020, %rax
    FORM movabs %eax, 0x8000003030
    /* extension */
    FORM movzbl (%rbx), %eax
    FORM movzbw (%rbx), %ax
    FORM movzwl (%rbx), %edx
    FORM movzbq (%rbx), %r8
    FORM movzwq (%rbx), %r8
    FORM movsbl (%rbx), %eax
    FORM movsbw (%rbx), %ax
    FORM movswl (%rbx), %edx
    FORM movsbq (%rbx), %r8
    FORM movswq (%rbx), %r8
    FORM movslq (%rbx), %rax
    /* arithmetic and logic, all eight operations, both directions, immediates */
    .irp op, add, or, adc, sbb, and, sub, xor, cmp
    FORM \op\()b %al, (%rbx)
    FORM \op\()w %ax, (%rbx)
    FORM \op\()l %eax, (%rbx)
    FORM \op\()q %rax, (%rbx)
    FORM \op\()b (%rbx), %ch
    FORM \op\()l (%rbx), %eax
    FORM \op\()q (%rbx), %r14
    FORM \op\()b $0x81, (%rbx)
    FORM \op\()w $0x8001, (%rbx)
    FORM \op\()l $0x7fffffff, (%rbx)
    FORM \op\()q $-128, (%rbx)
    .endr
    .irp op, add, or, adc, sbb, and, sub, xor
    FORM lock \op\()l %eax, (%rbx)
    .endr
    FORM testb %al, (%rbx)
    FORM testq %rdx, (%rbx)
    FORM testl $0x80000001, (%rbx)
    FORM testb $0x10, (%rbx)
    FORM notb (%rbx)
    FORM notq (%rbx)
    FORM negb (%rbx)
    FORM negl (%rbx)
    FORM incb (%rbx)
    FORM incl (%rbx)
    FORM incq (%rbx)
    FORM decw (%rbx)
    FORM lock decl (%rbx)
    /* bits: name begins with bt; only CF is compared */
    FORM btl $5, (%rbx)
    FORM btsl $31, (%rbx)
    FORM btrq $63, (%rbx)
    FORM btcw $9, (%rbx)
    FORM btl %r9d, (%rbx)
    FORM btsl %r9d, (%rbx)
    FORM btrq %r9, (%rbx)
    FORM btsl %ecx, (%rbx)
    /* exchange */
    FORM xchgb %al, (%rbx)
    FORM xchgl %eax, (%rbx)
    FORM xchgq %r8, (%rbx)
    FORM xaddb %cl, (%rbx)
    FORM xaddl %eax, (%rbx)
    FORM lock xaddq %rdx, (%rbx)
    FORM cmpxchgb %dl, (%rbx)
    FORM cmpxchgl %edx, (%rbx)
    FORM lock cmpxchgq %rdx, (%rbx)
    /* conditions */
    FORM setc (%rbx)
    FORM setg (%rbx)
    FORM setnz 3(%rbx)
    FORM cmovcl (%rbx), %eax
    FORM cmovncl (%rbx), %eax
    FORM cmovzq (%rbx), %r8
    FORM cmovgw (%rbx), %ax
    /* strings */
    FORM movsb
    FORM movsw
    FORM movsl
    FORM movsq
    FORM rep movsb
    FORM rep movsw
    FORM rep movsl
    FORM rep movsq
    FORM addr32 movsl
    FORM stosb
    FORM stosq
    FORM rep stosb
    FORM rep stosw
    FORM rep stosl
    FORM rep stosq
    FORM lodsb
    FORM lodsq
    FORM rep lodsl
    FORM cmpsb
    FORM repe cmpsb
    FORM repne cmpsl
    FORM scasb
    FORM repne scasb
    FORM repe scasl
    FORM rep gs movsl

    .section .data.rel.ro.mmio_forms, "aw"
    .globl mmio_forms_end
mmio_forms_end:
    .section .note.GNU-stack, "", @progbits
