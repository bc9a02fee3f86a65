# The first sector: reads the rest of the guest, enters C, and what C cannot do. 16-bit code; everything lies below 64 KiB.
    .code16
    .section .boot, "ax"
    .globl _start
_start:
    cli
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $0x7c00, %esp
    cld
    mov %dl, drive
    sti
    mov $rest, %si
    mov $0x42, %ah
    int $0x13
    jc 1f
    calll bios_main
1:  hlt
    jmp 1b
    .globl drive
drive:
    .byte 0
    .org 0x180                          # for whoever puts this on a disk: where it is, and where it may write
rest:                                   # Device Address Packet
    .byte 16, 0
    .word n_rest, 0x7e00, 0
    .quad 1
    .globl encrypted, clear
encrypted:
    .long 0
clear:
    .long 0
    .org 510
    .word 0xaa55

    .text
# void bios(unsigned vector, struct regs *regs): fastcall, so ecx, edx. struct regs: bios.c
    .globl bios
bios:
    pushal
    push %es
    mov %cl, vector
    mov %edx, frame
    mov %edx, %esi
    jmp 1f                              # what follows has been changed
1:  mov 28(%esi), %es
    mov (%esi), %eax
    mov 4(%esi), %ebx
    mov 8(%esi), %ecx
    mov 12(%esi), %edx
    mov 20(%esi), %edi
    mov 16(%esi), %esi
    sti
    .byte 0xcd
vector:
    .byte 0
    push %bp
    mov frame, %ebp
    pushfl
    popl 32(%ebp)
    mov %eax, (%ebp)
    mov %ebx, 4(%ebp)
    mov %ecx, 8(%ebp)
    mov %edx, 12(%ebp)
    mov %esi, 16(%ebp)
    mov %edi, 20(%ebp)
    pop %bp
    pop %es
    popal
    retl

# void big(void): FS reaches all of the first 4 GiB ("big real mode"), until the BIOS is called. Interrupts are off till
# then, because their handlers may load it.
    .globl big
big:
    pushl %eax
    cli
    lgdtl gdtr
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    jmp 1f
1:  push $8
    pop %fs
    and $0xfe, %al
    mov %eax, %cr0
    ljmp $0, $2f
2:  popl %eax
    retl

    .data
    .balign 8
gdt:
    .quad 0
    .quad 0x008f93000000ffff
gdtr:
    .word 15
    .long gdt
frame:
    .long 0
    .section .note.GNU-stack, "", %progbits
