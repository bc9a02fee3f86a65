/* Exits of a guest whose code, registers, page tables and devices are whatever the input says. Promises: nothing of the
 * hypervisor's is touched (the fake bus ends the program), every pointer stays within the guest's memory (the sanitizer
 * does), RIP moves by one instruction or not at all, flags other than the arithmetic ones stay, only exceptions an
 * access can raise are queued, and an instruction kept from before is the one that would be decoded now. */
#include <stdlib.h>
#include <string.h>
#include "guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

#define CHECK(x)                                                                                                       \
    do {                                                                                                               \
        if (!(x)) abort();                                                                                             \
    } while (0)

#define CPU             (&guest.vcpu[0])
#define FLAGS_ARITHM    UINT64_C(0x8d5)
#define FLAGS_RF        UINT64_C(0x10000)
#define PORT            0x1f0
#define EXITS_PER_INPUT 4

/* ---- the input, byte by byte; zeros when there is none left ---- */

static const uint8_t *in;
static size_t n_in;

static uint8_t next(void) {
    if (n_in == 0) return 0;
    n_in--;
    return *in++;
}

static uint64_t next_bytes(unsigned n) {
    uint64_t v = 0;
    while (n--) v = v << 8 | next();
    return v;
}

/* An address where something is, and a little around it. */
static uint64_t place(void) {
    static const uint64_t places[] = {GUEST_RAM,       GUEST_CODE,        GUEST_DATA,        GUEST_TABLES,
                                      GUEST_RAM_BYTES, GUEST_DEVICE,      GUEST_APIC,        GUEST_REGION,
                                      GUEST_LOW_PAGE,  GUEST_HIGH,        GUEST_FLASH,       0xfffff000u,
                                      UINT64_MAX,      UINT64_C(1) << 40, UINT64_C(1) << 47, 0x2000};
    uint8_t b = next();
    uint64_t base = places[b % 16];
    if (b & 0x10) base += (uint64_t)(int64_t)(int8_t)next();
    if (b & 0x20) base += 0xff8 + next() % 16;
    return b & 0x80 ? next_bytes(8) : base;
}

/* ---- the machine ---- */

static enum vmm_verdict on_trap(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *a) {
    (void)cookie;
    CHECK(a->n_bytes == 1 || a->n_bytes == 2 || a->n_bytes == 4 || a->n_bytes == 8);
    CHECK((a->addr & VMM_PAGE_MASK) + a->n_bytes <= VMM_PAGE_BYTES);
    CHECK(!a->write || a->n_bytes == 8 || a->value >> (8 * a->n_bytes) == 0);
    uint8_t answer = next();
    a->value = a->write ? a->value : answer * UINT64_C(0x0101010101010101);
    if (answer % 16 == 15) vmm_inject(vcpu, 13, 0);
    return answer % 16 == 15 ? VMM_INJECT : answer % 4 == 3 ? VMM_SKIP : answer % 2 ? VMM_HANDLED : VMM_PASS;
}

static uint8_t fresh_ram[GUEST_RAM_BYTES];
static uint64_t *code_pte[8]; /* of the pages from GUEST_CODE on */

static void start_once(void) {
    if (code_pte[0]) return;
    guest_start();
    CHECK(vmm_mmio_trap(&guest.vmm, gpa(GUEST_DEVICE), 0x2000, on_trap, NULL) == 0);
    CHECK(vmm_mmio_trap_writes(&guest.vmm, gpa(GUEST_APIC), 0x1000, on_trap, NULL) == 1);
    CHECK(vmm_pio_trap(&guest.vmm, PORT, 8, on_trap, NULL) == 0);
    guest.vmm.in_setup = false;
    fake_hw.in_value = 0x5a5a5a5a;
    fake_hw.open_bus = true;
    memcpy(fresh_ram, guest.ram, sizeof fresh_ram);
    for (unsigned i = 0; i < 8; i++) code_pte[i] = guest_pte(GUEST_CODE + i * UINT64_C(4096));
}

static void choose_mode(void) {
    struct guest_cpu *c = &guest.cpu[0];
    uint8_t b = next();
    switch (b % 5) {
    case 0: break; /* 64-bit */
    case 1: guest_flat32(); break;
    case 2: guest_real(); break;
    case 3: /* compatibility mode */ c->seg[VMM_CS].attrib = b & 0x40 ? 0xc9b : 0x89b; break;
    case 4: /* 32-bit or PAE paging over whatever the tables hold then */
        guest_flat32();
        c->reg[VMM_CR0] = 0x80010033;
        c->reg[VMM_CR4] = b & 0x40 ? 0x20 : 0x10;
    }
    if (b & 0x20) c->reg[VMM_CR4] |= next_bytes(3) & 0x301000;
    if (b & 0x10) c->reg[VMM_CR0] ^= 0x10000;
    if (b & 0x08) c->cpl = 3;
}

static void choose_registers(void) {
    for (unsigned i = 0; i < 16; i++) CPU->gpr[i] = place();
    CPU->gpr[VMM_RCX] = next() % 4 ? CPU->gpr[VMM_RCX] : next() * 3u;
    if (next() % 4 == 0) CPU->gpr[VMM_RDX] = PORT + next() % 16 - 4u;
    CPU->rflags = 2 | (next_bytes(3) & 0x50dd5);
    if (next() % 8 == 0) CPU->rip = place();
    for (uint8_t n = next() % 3; n; n--)
        guest.cpu[0].seg[next() % 6] = (struct vmm_segment){
            .attrib = (uint16_t)next_bytes(2) & 0xfff, .limit = (uint32_t)next_bytes(4), .base = place()};
}

/* Change memory: instruction bytes, table entries, anything. */
static void mutate(void) {
    for (uint8_t n = next() % 8; n; n--) {
        uint8_t b = next();
        uint64_t value = b & 1 ? next_bytes(8) : (place() & ~UINT64_C(0xfff)) | (next_bytes(2) & 0xfff) | PT_P;
        if (b & 2) value |= PT_NX;
        uint64_t at = b & 4 ? GUEST_TABLES + next_bytes(2) % 0x10000 / 8 * 8 : next_bytes(3) % (GUEST_RAM_BYTES - 8);
        if (b & 8)
            *code_pte[next() % 8] = value;
        else
            guest_poke(at, 8, value);
    }
}

/* ---- one exit ---- */

static struct vmm_exit choose_exit(void) {
    static const uint64_t at[] = {GUEST_DEVICE, GUEST_APIC, GUEST_REGION, GUEST_LOW_PAGE};
    uint8_t b = next();
    if (b % 8 == 0) return (struct vmm_exit){.kind = VMM_EXIT_CPUID};
    if (b % 8 == 1)
        return (struct vmm_exit){.kind = VMM_EXIT_PIO,
                                 .pio = {.port = PORT, .n_bytes = 4, .in = b & 8, .string = true}};
    return guest_mmio(at[b % 4] + next_bytes(2) % 0x1000, (b & 0x80) != 0);
}

static void handle(void *exit) { vmm_exit_handle(CPU, exit); }

/* The same instruction without anything kept. */
static void check_kept(const struct vmm_exit *exit) {
    struct vmm_vcpu *fresh = &guest.vcpu[1];
    *fresh = *CPU;
    memset(fresh->code, 0, sizeof fresh->code);
    const struct vmm_insn *kept = vmm_insn_at_rip(CPU, exit), *now = vmm_insn_at_rip(fresh, exit);
    CHECK((kept == NULL) == (now == NULL));
    if (kept) CHECK(memcmp(kept, now, sizeof *now) == 0);
    CPU->inject = (struct vmm_event){.type = VMM_EVENT_NONE};
}

static void one_exit(void) {
    struct vmm_exit exit = choose_exit();
    guest_sync(CPU);
    CPU->inject = (struct vmm_event){.type = VMM_EVENT_NONE};
    check_kept(&exit);
    uint64_t rip = CPU->rip, flags = CPU->rflags;
    CHECK(fake_run(handle, &exit) == FAKE_RETURNED);
    uint64_t mask = vmm_mode(CPU) == VMM_INSN_64 ? UINT64_MAX : UINT32_MAX;
    CHECK(CPU->rip == rip || ((CPU->rip - rip) & mask) - 1 < 15);
    CHECK(((CPU->rflags ^ flags) & ~(FLAGS_ARITHM | FLAGS_RF)) == 0);
    const struct vmm_event *e = &CPU->inject;
    CHECK(e->type == VMM_EVENT_NONE || e->type == VMM_EVENT_EXCEPTION);
    if (e->type == VMM_EVENT_EXCEPTION) CHECK(e->vector == 1 || e->vector == 6 || (e->vector >= 12 && e->vector <= 14));
    CHECK(guest.vmm.mmio.n == 2 && CPU->operand == NULL);
    CPU->exit = NULL;
    fake_hw.n_log = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    start_once();
    in = data;
    n_in = n_bytes;
    memcpy(guest.ram, fresh_ram, sizeof fresh_ram);
    guest_reset_cpus();
    choose_mode();
    choose_registers();
    uint8_t code[16];
    for (unsigned i = 0; i < sizeof code; i++) code[i] = next();
    memcpy(guest.ram + (GUEST_CODE | (next() % 2 ? 0 : 0xff8)), code, sizeof code);
    if (next() % 4 == 0) CPU->rip = GUEST_CODE | 0xff8;
    for (unsigned i = 0; i < EXITS_PER_INPUT; i++) {
        mutate();
        one_exit();
        if (next() % 2) CPU->rip = GUEST_CODE;
    }
    return 0;
}
