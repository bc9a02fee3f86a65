/* see gt.h */
#include "gt.h"
#include <fmt.h>
#include <hw.h>
#include <msr_regs.h>
#include <string.h>

#define COM1            0x3f8u
#define PCI_ADDRESS     0xcf8u
#define PCI_DATA        0xcfcu
#define PCI_ENABLE      0x80000000u
#define I440FX          0x12378086u
#define PIIX4_PMBA      (1u << 11 | 3u << 8 | 0x40u)
#define ICH9_PMBASE     (31u << 11 | 0x40u)
#define PIC1_IMR        0x21u
#define PIC2_IMR        0xa1u
#define APIC_EOI        0xb0u
#define APIC_SVR        0xf0u
#define APIC_LVT_TIMER  0x320u
#define APIC_LVT_MASKED BIT(16)

#define CPUID_1_ECX_HYPERVISOR BIT(31)

#define APIC_TIMER_PERIODIC 0x20000u
#define APIC_TIMER_INITIAL  0x380u
#define APIC_TIMER_DIVIDE   0x3e0u
#define TICK_VECTOR         0x38u
#define MXCSR_RESET         0x1f80u
#define INTEL_ECX           0x6c65746eu /* "ntel", of "GenuineIntel" */

struct gate {
    uint16_t offset_15_0, selector;
    uint8_t ist, type;
    uint16_t offset_31_16;
    uint32_t offset_63_32, rsvd_0x0c;
};

struct tss {
    uint32_t rsvd_0x00;
    uint64_t rsp[3], rsvd_0x1c, ist[7], rsvd_0x5c;
    uint16_t rsvd_0x64, iomap;
} __attribute__((packed));

/* gt_entry.S */
void gt_enter(uint8_t *stack, void (*fn)(void), const struct hw_table *gdtr, const struct hw_table *idtr, uint64_t cr3);
_Noreturn void gt_leave(void);
_Noreturn void gt_resume(void);
uint64_t gt_call_asm(uint64_t rax, uint64_t rbx, uint64_t rcx, uint64_t rdx);
extern const int32_t gt_stubs[64];
void gt_dispatch(struct gt_frame *frame);

char gt_args[64];
volatile uint32_t gt_seen[64];
void (*volatile gt_on_nmi)(struct gt_frame *);
void (*volatile gt_on_irq)(struct gt_frame *);
bool gt_intel, gt_x2apic;
uint64_t gt_saved_rsp;
struct gt_state *gt_running;

static uint64_t gdt[8] = {0, UINT64_C(0x00209b0000000000), /* 08: code, 64 bits */
                          UINT64_C(0x0000930000000000),    /* 10: data */
                          UINT64_C(0x0000f30000000000),    /* 18: data, ring 3 */
                          UINT64_C(0x0020fb0000000000)};   /* 20: code, ring 3; 28: TSS */
static struct gate idt[64];
static struct tss tss;
static uint8_t stack[32768] __attribute__((aligned(16))), ist_stack[4][8192] __attribute__((aligned(16)));
static uint64_t fs_block[8]; /* a canary for the library code linked in */

/* ---- reporting ---- */

static void put(char c) {
    while (!(hw_in(COM1 + 5, 1) & 0x20)) hw_pause();
    hw_out(COM1, 1, (uint8_t)c);
}

static void put_line(const char *start, const char *fmt, va_list ap) {
    char line[200];
    (void)vmm_vformat(line, sizeof line, fmt, ap);
    while (*start) put(*start++);
    for (const char *p = line; *p; p++) put(*p);
    put('\r'), put('\n');
}

void gt_print(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    put_line("", fmt, ap);
    va_end(ap);
}

bool gt_check(bool good, const char *name, const char *why, ...) {
    if (good) {
        gt_print("PASS %s", name);
        return true;
    }
    for (const char *p = "FAIL "; *p; p++) put(*p);
    va_list ap;
    va_start(ap, why);
    for (const char *p = name; *p; p++) put(*p);
    put_line(": ", why, ap);
    va_end(ap);
    return false;
}

void gt_end(void) {
    gt_print("END");
    gt_leave();
}

void gt_reset(void) { hw_triple_fault(); }

/* ---- exceptions ---- */

void gt_dispatch(struct gt_frame *f) {
    struct gt_state *s = gt_running;
    if (f->vector == 2 || f->vector >= 32 || !s) gt_seen[f->vector]++;
    if (f->vector == 2) {
        if (gt_on_nmi) gt_on_nmi(f);
        return;
    }
    if (f->vector >= 32) {
        if (gt_on_irq) gt_on_irq(f);
        gt_apic_write(APIC_EOI, 0);
        return;
    }
    if (!s) {
        gt_print("FAIL exception %lu outside a test: error %lx, rip %lx, cr2 %lx, rsp %lx", f->vector, f->error, f->rip,
                 hw_read_cr2(), f->rsp);
        gt_end();
    }
    gt_running = NULL;
    s->gpr[VMM_RAX] = f->rax, s->gpr[VMM_RCX] = f->rcx, s->gpr[VMM_RDX] = f->rdx, s->gpr[VMM_RBX] = f->rbx;
    s->gpr[VMM_RSP] = f->rsp, s->gpr[VMM_RBP] = f->rbp, s->gpr[VMM_RSI] = f->rsi, s->gpr[VMM_RDI] = f->rdi;
    s->gpr[VMM_R8] = f->r8, s->gpr[VMM_R9] = f->r9, s->gpr[VMM_R10] = f->r10, s->gpr[VMM_R11] = f->r11;
    s->gpr[VMM_R12] = f->r12, s->gpr[VMM_R13] = f->r13, s->gpr[VMM_R14] = f->r14, s->gpr[VMM_R15] = f->r15;
    s->rip = f->rip, s->rflags = f->rflags;
    s->vector = f->vector, s->error = f->error, s->cr2 = hw_read_cr2();
    gt_resume();
}

uint64_t gt_run_bytes(struct gt_state *s, const void *bytes, unsigned n_bytes) {
    static uint8_t code[VMM_PAGE_BYTES] __attribute__((aligned(4096))),
        user_stack[VMM_PAGE_BYTES] __attribute__((aligned(4096)));
    memset(code, 0xcc, 64);
    memcpy(code, bytes, n_bytes);
    gt_map(GT_CODE, gt_physical(code), GT_P | GT_W | GT_U);
    gt_map(GT_STACK, gt_physical(user_stack), GT_P | GT_W | GT_U);
    s->rip = GT_PAGE(GT_CODE);
    s->gpr[VMM_RSP] = GT_PAGE(GT_STACK + 1);
    gt_run(s);
    return s->vector;
}

/* ---- memory ---- */

uint64_t gt_pml4[512] __attribute__((aligned(4096)));
static uint64_t identity[512] __attribute__((aligned(4096)));
static uint64_t window_pdpt[512] __attribute__((aligned(4096))), window_pd[512] __attribute__((aligned(4096))),
    window_pt[GT_PAGES] __attribute__((aligned(4096)));
uint8_t gt_ram[8][VMM_PAGE_BYTES] __attribute__((aligned(4096)));

uint64_t gt_physical(const void *p) { return (uint64_t)(uintptr_t)p; }

void gt_map(unsigned page, uint64_t physical, uint64_t flags) {
    window_pt[page] = flags ? physical | flags : 0;
    __asm__ volatile("invlpg (%0)" : : "r"(GT_PAGE(page)) : "memory");
}

static void build_tables(void) {
    for (unsigned i = 0; i < 512; i++) identity[i] = (uint64_t)i << 30 | BIT(7) | GT_P | GT_W; /* 1 GiB pages */
    gt_pml4[0] = gt_physical(identity) | GT_P | GT_W;
    gt_pml4[1] = gt_physical(window_pdpt) | GT_P | GT_W | GT_U;
    window_pdpt[0] = gt_physical(window_pd) | GT_P | GT_W | GT_U;
    window_pd[0] = gt_physical(window_pt) | GT_P | GT_W | GT_U;
    for (unsigned v = 0; v < 64; v++) {
        uint64_t at = gt_physical(gt_stubs) + (uint64_t)(int64_t)gt_stubs[v];
        idt[v] = (struct gate){.offset_15_0 = (uint16_t)at,
                               .selector = 8,
                               .ist = v == 2   ? 2
                                      : v == 8 ? 3
                                      : v < 32 ? 1
                                               : 4,
                               .type = v == GT_BP ? 0xee : 0x8e,
                               .offset_31_16 = (uint16_t)(at >> 16),
                               .offset_63_32 = (uint32_t)(at >> 32)};
    }
    for (unsigned i = 0; i < 4; i++) tss.ist[i] = gt_physical(ist_stack[i]) + sizeof ist_stack[i];
    tss.iomap = sizeof tss;
    uint64_t base = gt_physical(&tss);
    gdt[5] = (sizeof tss - 1) | (base & 0xffffff) << 16 | UINT64_C(0x89) << 40 | (base >> 24 & 0xff) << 56;
    gdt[6] = base >> 32;
}

/* ---- the hypervisor, the machine ---- */

uint64_t gt_call(unsigned call, uint64_t rbx, uint64_t rcx, uint64_t rdx) {
    return gt_call_asm(HOST_CALL + call, rbx, rcx, rdx);
}

const char *gt_vmcall(void) { return gt_intel ? "\x0f\x01\xc1" : "\x0f\x01\xd9"; }

uint64_t gt_run_call(struct gt_state *s) { return gt_run_bytes(s, gt_vmcall(), 3); }

bool gt_below(void) {
    struct gt_state s = {.gpr = {[VMM_RAX] = HOST_CALL + HOST_PING}, .rflags = 2};
    return gt_run_call(&s) == GT_BP && (s.gpr[VMM_RAX] & 0xfffff000) == HOST_MAGIC;
}

/* The ACPI timer's port, at the address the firmware gave it. Source: Intel ICH9 Family Datasheet (316972), 13.1.13
 * "PMBASE"; 82371AB PIIX4 Datasheet (290562), 7.1.10 "PMBA". */
static uint16_t pm_timer(void) {
    static uint16_t port;
    if (port) return port;
    hw_out(PCI_ADDRESS, 4, PCI_ENABLE); /* device and vendor of the host bridge */
    bool piix4 = hw_in(PCI_DATA, 4) == I440FX;
    hw_out(PCI_ADDRESS, 4, PCI_ENABLE | (piix4 ? PIIX4_PMBA : ICH9_PMBASE));
    port = (uint16_t)((hw_in(PCI_DATA, 4) & 0xffc0) + 8);
    return port;
}

void gt_delay_us(uint64_t us) {
    uint16_t port = pm_timer();
    uint32_t last = hw_in(port, 4) & 0xffffff;
    for (uint64_t ticks = us * 3579545 / 1000000; ticks;) {
        uint32_t now = hw_in(port, 4) & 0xffffff, passed = (now - last) & 0xffffff;
        ticks -= passed < ticks ? passed : ticks;
        last = now;
    }
}

uint32_t gt_apic_read(uint32_t reg) {
    return gt_x2apic ? (uint32_t)hw_rdmsr(MSR_X2APIC + reg / 16) : *(volatile uint32_t *)(GT_APIC + reg);
}

void gt_apic_write(uint32_t reg, uint32_t v) {
    if (!gt_x2apic)
        *(volatile uint32_t *)(GT_APIC + reg) = v;
    else if (reg != GT_APIC_ICR_HIGH)
        hw_wrmsr(MSR_X2APIC + reg / 16, v);
}

uint64_t gt_random(void) {
    static uint64_t x = UINT64_C(0x9e3779b97f4a7c15);
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

/* ---- start ---- */

__attribute__((weak)) void gt_early(EFI_SYSTEM_TABLE *st) { (void)st; }

static void read_args(EFI_HANDLE image, EFI_SYSTEM_TABLE *st) {
    EFI_GUID guid = LOADED_IMAGE_PROTOCOL;
    void *p;
    if (EFI_ERROR(st->BootServices->HandleProtocol(image, &guid, &p))) return;
    const EFI_LOADED_IMAGE *loaded = p;
    const CHAR16 *options = loaded->LoadOptions;
    unsigned n = loaded->LoadOptionsSize / sizeof *options, i = 0, out = 0;
    while (i < n && options[i] && options[i] != ' ') i++; /* the program's name */
    while (i < n && options[i] == ' ') i++;
    while (i < n && options[i] && out < sizeof gt_args - 1) gt_args[out++] = (char)options[i++];
}

bool gt_holds_init(void) { return gt_intel || !(hw_cpuid(1, 0).ecx & CPUID_1_ECX_HYPERVISOR); }

static uint64_t apic_exits(void) {
    return gt_call(HOST_STAT, VMM_EXIT_APIC, 0, 0) + gt_call(HOST_STAT, VMM_EXIT_MSR, 0, 0);
}

uint64_t gt_ticks(uint32_t n) {
    uint64_t before = apic_exits();
    uint32_t last = gt_seen[TICK_VECTOR] + n;
    gt_apic_write(APIC_SVR, gt_apic_read(APIC_SVR) | BIT(8));
    gt_apic_write(APIC_TIMER_DIVIDE, 0xb); /* by 1 */
    gt_apic_write(APIC_LVT_TIMER, APIC_TIMER_PERIODIC | TICK_VECTOR);
    gt_apic_write(APIC_TIMER_INITIAL, 20000);
    for (unsigned i = 0; i < 10000000 && gt_seen[TICK_VECTOR] < last; i++) {
        struct gt_state s = {.rflags = 2};
        gt_run_bytes(&s, "\xfb\x90\x90\xfa", 4); /* STI; NOP; NOP; CLI */
    }
    gt_apic_write(APIC_LVT_TIMER, (uint32_t)APIC_LVT_MASKED);
    gt_apic_write(APIC_TIMER_INITIAL, 0);
    return gt_seen[TICK_VECTOR] < last ? UINT64_MAX : apic_exits() - before;
}

static void started(void) {
    hw_write_cr0(BIT(0) | BIT(1) | BIT(4) | BIT(5) | BIT(16) | BIT(31)); /* PE MP ET NE WP PG */
    hw_write_cr4(BIT(5) | BIT(9) | BIT(10));                             /* PAE OSFXSR OSXMMEXCPT */
    hw_wrmsr(MSR_EFER, hw_rdmsr(MSR_EFER) | EFER_NXE | EFER_SCE);
    hw_wrmsr(MSR_FS_BASE, gt_physical(fs_block));
    gt_main();
    gt_end();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st);

/* What the firmware finds again: its interrupts' masks, and the registers that gt_enter() does not keep. */
struct firmware {
    uint32_t pic1, pic2, lvt_timer, svr;
    uint64_t efer, fs, gs;
};

static struct firmware leave_firmware(void) {
    struct firmware f = {hw_in(PIC1_IMR, 1),     hw_in(PIC2_IMR, 1), gt_apic_read(APIC_LVT_TIMER),
                         gt_apic_read(APIC_SVR), hw_rdmsr(MSR_EFER), hw_rdmsr(MSR_FS_BASE),
                         hw_rdmsr(MSR_GS_BASE)};
    hw_out(PIC1_IMR, 1, 0xff);
    hw_out(PIC2_IMR, 1, 0xff);
    gt_apic_write(APIC_LVT_TIMER, (uint32_t)APIC_LVT_MASKED);
    return f;
}

static void return_to_firmware(const struct firmware *f) {
    uint32_t mxcsr = MXCSR_RESET;
    __asm__ volatile("fninit; ldmxcsr %0" : : "m"(mxcsr));
    hw_wrmsr(MSR_EFER, f->efer);
    hw_wrmsr(MSR_FS_BASE, f->fs);
    hw_wrmsr(MSR_GS_BASE, f->gs);
    gt_apic_write(APIC_SVR, f->svr);
    gt_apic_write(APIC_LVT_TIMER, f->lvt_timer);
    hw_out(PIC1_IMR, 1, f->pic1);
    hw_out(PIC2_IMR, 1, f->pic2);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st) {
    read_args(image, st);
    gt_early(st);
    gt_intel = hw_cpuid(0, 0).ecx == INTEL_ECX;
    gt_x2apic = (hw_rdmsr(MSR_APIC_BASE) & APIC_BASE_EXTD) != 0;
    struct hw_table gdtr = {sizeof gdt - 1, gt_physical(gdt)}, idtr = {sizeof idt - 1, gt_physical(idt)};
    struct firmware f = leave_firmware();
    build_tables();
    gt_enter(stack + sizeof stack, started, &gdtr, &idtr, gt_physical(gt_pml4));
    return_to_firmware(&f);
    return EFI_SUCCESS;
}
