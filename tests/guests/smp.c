/* Start-up of further processors in every order software has been seen to use, and some that none should. Wherever a
 * processor turns up, it must be below the hypervisor: hypercalls answer, the region reads as ones.
 * Source: APM Volume 2, 16.5 "Interprocessor Interrupts (IPI)"; Intel SDM Volume 3A, 8.4 "Multiple-Processor (MP)
 * Initialization". */
#include "gt.h"
#include <hw.h>
#include <string.h>
#include "msr_regs.h"

#define ICR_LOW  0x300u
#define ICR_HIGH 0x310u
#define LDR      0x0d0u
#define SVR      0x0f0u
#define INIT     0x4500u /* level: assert */
#define DEASSERT 0x8500u /* INIT, level triggered, de-assert */
#define SIPI     0x4600u
#define NMI      0x4400u
#define LOGICAL  0x0800u
#define OTHERS   0xc0000u
#define ALL      0x80000u
#define MAX_CPUS 8u

struct smp_data { /* smp.S */
    uint16_t gdt_limit;
    uint32_t gdt_base;
    uint16_t rsvd_0x06;
    uint32_t far32, selector32, far64, selector64;
    uint64_t cr3, stacks, entry;
    uint32_t eax, edx, cr0, cr4, efer;
} __attribute__((packed));
extern const uint8_t smp_start[], smp_start_data[], smp_start_end[], smp_nmi16[], smp_nmi32[], smp_nmi_end[];

/* What each processor tells; by APIC id. */
static volatile struct told {
    uint32_t starts; /* how often it came by */
    uint32_t page;   /* where it started */
    uint64_t host;   /* what HOST_PING said; 0: it has not been asked */
    uint64_t region; /* a word of the region */
    uint32_t reads;  /* of the device, while reading is set */
} told[MAX_CPUS];

static uint8_t stacks[MAX_CPUS + 1][VMM_PAGE_BYTES] __attribute__((aligned(4096)));
#define HPET UINT64_C(0xfed00000)

static uint64_t page_a, page_b, region, device;
static uint32_t n_cpus;

void gt_early(EFI_SYSTEM_TABLE *st) {
    EFI_PHYSICAL_ADDRESS low = 0x9ffff;
    if (!EFI_ERROR(st->BootServices->AllocatePages(AllocateMaxAddress, EfiBootServicesData, 2, &low)))
        page_a = low, page_b = low + VMM_PAGE_BYTES;
}

uint64_t gt_call_asm(uint64_t rax, uint64_t rbx, uint64_t rcx, uint64_t rdx);
_Noreturn void ap_main(uint32_t id, uint64_t page);

static void send(uint32_t command, uint32_t destination) {
    gt_apic_write(ICR_HIGH, destination << 24);
    gt_apic_write(ICR_LOW, command);
    while (gt_apic_read(ICR_LOW) & BIT(12)) hw_pause();
}

static volatile bool reading;
static volatile uint32_t nmi_wanted; /* processor 1: send one to the first, after so many microseconds */

static volatile bool hammering; /* processor 2: send processor 1 start-up IPIs, one after another */

static void send_wanted_nmi(void) {
    gt_delay_us(nmi_wanted);
    send(NMI, 0);
    nmi_wanted = 0;
}

_Noreturn void ap_main(uint32_t id, uint64_t page) {
    volatile struct told *t = &told[id];
    t->page = (uint32_t)page;
    t->region = *(volatile uint64_t *)region;
    t->host = gt_call_asm(HOST_CALL + HOST_PING, 0, 0, 0);
    gt_apic_write(LDR, 1u << (24 + id));
    t->reads = 0;
    __atomic_fetch_add(&t->starts, 1, __ATOMIC_SEQ_CST);
    for (;;) {
        if (reading) {
            (void)*(volatile uint32_t *)(device + 0x40);
            t->reads++;
        } else if (id == 1 && nmi_wanted) {
            send_wanted_nmi();
        } else if (id == 2 && hammering) {
            send(SIPI | (uint32_t)(page_a >> 12), 1);
        } else {
            hw_pause();
        }
    }
}

static void fill_page(uint64_t at) {
    size_t n_bytes = (size_t)(smp_start_end - smp_start);
    struct smp_data d;
    memcpy(&d, smp_start_data, sizeof d);
    d.gdt_base += (uint32_t)at;
    d.far32 += (uint32_t)at;
    d.far64 += (uint32_t)at;
    d.cr3 = hw_read_cr3();
    d.stacks = gt_physical(stacks);
    d.entry = (uint64_t)(uintptr_t)ap_main;
    d.eax = d.edx = d.cr0 = d.cr4 = d.efer = UINT32_MAX;
    memcpy((void *)at, smp_start, n_bytes);
    memcpy((uint8_t *)at + (smp_start_data - smp_start), &d, sizeof d);
}

static void sipi(uint32_t command, uint64_t page, uint32_t destination) {
    send(command | (uint32_t)(page >> 12), destination);
}

/* Wait until every other processor has started at least this often. */
static bool all_started(uint32_t first, uint32_t last, const uint32_t *before) {
    for (unsigned ms = 0; ms < 5000; ms++) {
        bool all = true;
        for (uint32_t id = first; id <= last; id++) all = all && told[id].starts != before[id];
        if (all) return true;
        gt_delay_us(1000);
    }
    return false;
}

/* The processors first..last have started, at this page, below the hypervisor, each under a number of its own. */
static void expect(const char *name, uint32_t first, uint32_t last, uint64_t page, const uint32_t *before) {
    bool good = all_started(first, last, before);
    gt_delay_us(20000); /* a second start may follow, and would be as good */
    uint64_t numbers = 0;
    for (uint32_t id = first; id <= last; id++) {
        const volatile struct told *t = &told[id];
        bool one = (t->host & 0xfffff000) == HOST_MAGIC && t->region == UINT64_MAX && t->page == page &&
                   !(numbers & BIT(t->host & 63));
        numbers |= BIT(t->host & 63);
        if (!one) gt_print("     processor %u: host %lx, region %lx, page %x", id, t->host, t->region, t->page);
        good = good && one;
    }
    gt_check(good && !(numbers & 1), name, "starts: %u %u %u", told[1].starts, told[2].starts, told[3].starts);
}

static void remember(uint32_t *before) {
    for (uint32_t id = 0; id < MAX_CPUS; id++) before[id] = told[id].starts, told[id].host = 0, told[id].page = 0;
}

static void one_processor(void) {
    uint32_t before[MAX_CPUS];
    remember(before);
    send(INIT, 1);
    sipi(SIPI, page_a, 1);
    expect("INIT and SIPI without a delay", 1, 1, page_a, before);
    const struct smp_data *d = (const void *)(page_a + (uint64_t)(smp_start_data - smp_start));
    uint32_t eax = d->eax, edx = d->edx, cr0 = d->cr0, cr4 = d->cr4, efer = d->efer;
    gt_check(eax == 0 && edx == hw_cpuid(1, 0).eax && cr0 == 0x60000010 && cr4 == 0 && efer == 0, "state after SIPI",
             "eax %x edx %x cr0 %x cr4 %x efer %x", eax, edx, cr0, cr4, efer);
    uint32_t starts = told[1].starts;
    sipi(SIPI, page_b, 1);
    gt_delay_us(50000);
    gt_check(told[1].starts == starts, "SIPI to a running processor", "it started again");
    remember(before);
    send(INIT, 1);
    send(DEASSERT, 1);
    gt_delay_us(10000);
    sipi(SIPI, page_b, 1);
    gt_delay_us(200);
    sipi(SIPI, page_b, 1);
    expect("INIT to a running processor, SIPI twice", 1, 1, page_b, before);
    remember(before);
    for (unsigned i = 0; i < 2; i++) {
        send(INIT, 1);
        sipi(SIPI, page_a, 1);
    }
    expect("INIT and SIPI twice", 1, 1, page_a, before);
    remember(before);
    send(INIT, 1);
    send(INIT, 1);
    sipi(SIPI, page_b, 1);
    expect("two INITs", 1, 1, page_b, before);
}

static void odd_writes(void) {
    uint32_t before[MAX_CPUS];
    remember(before);
    send(INIT, 1);
    uint32_t command = SIPI | (uint32_t)(page_a >> 12);
    gt_apic_write(ICR_HIGH, 1u << 24);
    *(volatile uint16_t *)(GT_APIC + ICR_LOW) = (uint16_t)command;
    *(volatile uint8_t *)(GT_APIC + ICR_LOW + 1) = (uint8_t)(command >> 8);
    *(volatile uint64_t *)(GT_APIC + ICR_LOW) = command;
    *(volatile uint32_t *)(GT_APIC + ICR_LOW + 4) = command;
    *(volatile uint32_t *)(GT_APIC + ICR_LOW - 1) = command << 8;
    gt_delay_us(50000);
    gt_check(told[1].starts == before[1] || told[1].host, "odd writes to the ICR", "a processor started outside");
    struct gt_state s = {.rflags = 2, .gpr = {[VMM_RDI] = GT_APIC + ICR_LOW, [VMM_RSI] = gt_physical(&command)}};
    remember(before);
    send(INIT, 1);
    gt_run_bytes(&s, "\xa5", 1); /* MOVSD */
    expect("SIPI by a string instruction", 1, 1, page_a, before);
}

static void everyone(bool open) {
    uint32_t before[MAX_CPUS];
    remember(before);
    send(INIT | OTHERS, 0);
    sipi(SIPI | OTHERS, page_b, 0);
    sipi(SIPI | OTHERS, page_b, 0);
    expect("all excluding self", 1, n_cpus - 1, page_b, before);
    remember(before);
    send(INIT | LOGICAL, ((1u << n_cpus) - 1) & ~1u);
    if (open)
        gt_delay_us(10000); /* each start-up IPI is another command: libvmm/DESIGN.md, "Processors are taken ..." */
    for (uint32_t id = 1; id < n_cpus; id++) sipi(SIPI, page_a, id);
    expect("INIT to a logical destination", 1, n_cpus - 1, page_a, before);
    uint32_t starts = told[1].starts;
    sipi(SIPI | LOGICAL, page_b, 0xff);
    gt_delay_us(50000);
    gt_check(told[1].starts == starts, "SIPI to a logical destination", "a running processor started again");
}

/* Wait until every other processor has read the device some more; how often they have altogether. */
static uint64_t some_reads(void) {
    uint32_t from[MAX_CPUS];
    for (uint32_t id = 1; id < n_cpus; id++) from[id] = told[id].reads;
    uint64_t sum = 0;
    for (unsigned ms = 0; ms < 5000; ms++) {
        bool all = true;
        sum = 0;
        for (uint32_t id = 1; id < n_cpus; id++) {
            uint32_t n = told[id].reads - from[id];
            all = all && n > 50;
            sum += n;
        }
        if (all) return sum;
        gt_delay_us(1000);
    }
    return 0;
}

/* A trap that moves is in place for every processor when the move is done, whatever the others were at. */
static void trap_moves(const char *name) {
    reading = true;
    uint64_t seen = 0, done = 1, slack = n_cpus; /* those on their way at the start, not counted yet at the end */
    for (unsigned turn = 0; turn < 20 && done && seen + slack >= done; turn++) {
        gt_call(HOST_MOVE, device, 0, 0);
        uint64_t before = gt_call(HOST_LAST, 4, 0, 0);
        done = some_reads();
        seen = gt_call(HOST_LAST, 4, 0, 0) - before;
        gt_call(HOST_MOVE, HOST_PASS, 0, 0);
    }
    gt_check(done && seen + slack >= done, name, "%lu accesses, %lu of them seen", done, seen);
    reading = false;
}

/* There is no moment after an INIT in which a start-up IPI starts a processor outside. */
static void hostile(void) {
    uint32_t n = 0;
    hammering = true;
    for (bool good = true; good && n < 50; n += good) {
        uint32_t before = told[1].starts;
        told[1].host = told[1].region = 0;
        gt_delay_us(gt_random() % 300);
        send(INIT, 1);
        for (unsigned ms = 0; ms < 5000 && told[1].starts == before; ms++) gt_delay_us(1000);
        good = told[1].starts != before && (told[1].host & 0xfffff000) == HOST_MAGIC && told[1].region == UINT64_MAX;
    }
    hammering = false;
    gt_check(n == 50, "INITs while another one sends start-up IPIs", "%u turns: host %lx, region %lx", n, told[1].host,
             told[1].region);
}

/* An INIT that reaches nobody must not make the hypervisor forget who runs. */
static void nobody(void) {
    send(INIT | LOGICAL, 0);
    send(INIT, 77);
    trap_moves("INITs that reach nobody");
}

/* Each NMI of another processor's comes once: while the hypervisor works for us, and at any other moment. */
static void nmis(void) {
    gt_seen[2] = 0;
    nmi_wanted = 5000;
    gt_call(HOST_SPIN, 50000, 0, 0);
    gt_delay_us(20000);
    uint32_t during = gt_seen[2], n = 0;
    for (bool good = true; good && n < 200; n += good) {
        uint32_t before = gt_seen[2];
        nmi_wanted = 1 + (uint32_t)gt_random() % 200;
        for (unsigned i = 0; i < 1000000 && (nmi_wanted || gt_seen[2] == before); i++) hw_in(HOST_PORT, 1);
        good = gt_seen[2] == before + 1;
    }
    gt_delay_us(20000);
    gt_check(during == 1 && gt_seen[2] == 201, "NMIs from another processor", "%u at first, %u turns, %u in all",
             during, n, gt_seen[2]);
}

/* A processor that was never started waits in the firmware's code. Wake it there, in code of the guest's. */
static volatile uint64_t parked_region;
static volatile uint32_t parked_woke;

static __attribute__((noreturn)) void parked(void) {
    parked_region = *(volatile uint64_t *)region;
    parked_woke = 1;
    for (;;) hw_pause();
}

struct gate {
    uint16_t offset_15_0, selector;
    uint8_t ist, type;
    uint16_t offset_31_16;
    uint32_t offset_63_32, rsvd_0x0c;
};

static bool is_idt(const struct gate *g) {
    for (unsigned i = 0; i < 32; i++)
        if (g[i].type != 0x8e || g[i].selector != g->selector || !g->selector || g[i].rsvd_0x0c || g[i].ist)
            return false;
    return true;
}

/* Every interrupt table that lies in memory gets our NMI handler. */
static unsigned redirect_nmi(uint64_t end) {
    uint64_t at = (uint64_t)(uintptr_t)parked;
    unsigned n = 0;
    for (uint64_t p = 0x100000; p < end; p += 8) {
        struct gate *g = (struct gate *)p;
        if (!is_idt(g)) continue;
        g[2].offset_15_0 = (uint16_t)at;
        g[2].offset_31_16 = (uint16_t)(at >> 16);
        g[2].offset_63_32 = (uint32_t)(at >> 32);
        n++;
    }
    return n;
}

static void wake_parked(void) {
    unsigned n = redirect_nmi(UINT64_C(255) << 20);
    send(NMI, 1);
    gt_delay_us(200000);
    gt_print("     %u tables changed, %u processors woke", n, parked_woke);
    gt_check(!parked_woke || parked_region == UINT64_MAX, "parked",
             "processor 1 runs outside: it sees %lx in the region", parked_region);
}

/* An NMI that comes before the guest's first instruction must not find the guest's own real-mode handler. */
static void early_nmis(void) {
    uint64_t at32 = page_b + (uint64_t)(smp_nmi32 - smp_nmi16), mode = 0, vm_cr = VM_CR_SVMDIS;
    memcpy((void *)page_b, smp_nmi16, (size_t)(smp_nmi_end - smp_nmi16));
    memcpy((void *)page_a, "\xf4\xeb\xfd", 3); /* HLT, for ever */
    hw_mmio_write(0x08, 4, page_b << 12);      /* real mode: segment and offset 0 */
    hw_mmio_write(0x10, 8, (at32 & 0xffff) | UINT64_C(0x8e0000080000) << 0 | (at32 >> 16) << 48);
    hw_mmio_write(0x600, 8, 0);
    for (unsigned turn = 0; turn < 2000 && (vm_cr & VM_CR_SVMDIS); turn++) {
        send(INIT, 1);
        if (turn & 1) gt_apic_write(ICR_LOW, NMI);
        gt_apic_write(ICR_LOW, SIPI | (uint32_t)(page_a >> 12));
        for (unsigned i = 0; i < turn / 4; i++) hw_pause();
        gt_apic_write(ICR_LOW, NMI);
        gt_delay_us(500);
        if (!(mode = hw_mmio_read(0x600, 4))) continue;
        vm_cr = hw_mmio_read(0x604, 4);
        hw_mmio_write(0x600, 8, 0);
    }
    gt_check(vm_cr & VM_CR_SVMDIS, "NMIs after SIPI", "in a %lu-bit mode outside, VM_CR is %lx", mode, vm_cr);
}

static uint32_t pci_read(unsigned device_number, unsigned offset) {
    hw_out(0xcf8, 4, 0x80000000u | device_number << 11 | offset);
    return hw_in(0xcfc, 4);
}

void gt_main(void) {
    if (!gt_check(gt_below() && page_a, "below", "no hypervisor")) return;
    gt_apic_write(SVR, gt_apic_read(SVR) | BIT(8));
    region = gt_call(HOST_WHERE, 0, 0, 0);
    n_cpus = (uint32_t)(gt_args[0] - '0');
    for (unsigned d = 0; d < 32 && !device; d++)
        if (pci_read(d, 8) >> 24 == 3) device = pci_read(d, 0x10) & ~0xfu;
    if (!device) device = HPET; /* reads alone are counted: whether one is there does not matter */
    memset((void *)gt_call(HOST_WHERE, 2, 0, 0), 0xf4, VMM_PAGE_BYTES); /* the hypervisor's own start-up page */
    fill_page(page_a);
    fill_page(page_b);
    bool open = gt_holds_init() && strcmp(gt_args + 1, " unknown") != 0;
    if (!strcmp(gt_args + 1, " parked")) {
        wake_parked();
        return;
    }
    if (!strcmp(gt_args + 1, " nmi")) {
        one_processor();
        early_nmis();
        return;
    }
    one_processor();
    if (!open) odd_writes(); /* not everywhere do they end well without us */
    everyone(open);
    trap_moves("a moved trap holds for every processor");
    nobody();
    nmis();
    if (n_cpus > 2) hostile();
    uint64_t n = gt_ticks(200);
    gt_check(open ? n == 0 : n >= 200 && n != UINT64_MAX, "ticks", "%lu exits in 200 ticks", n);
    if (!strcmp(gt_args + 1, " init-self")) { /* a reset of the machine, or nothing; but never out of here */
        gt_print("PASS init-self");
        send(INIT | ALL, 0);
        gt_delay_us(500000);
    }
    gt_check(gt_below(), "still there", "the hypervisor has gone");
}
