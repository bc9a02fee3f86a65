/* see guest.h */
#include "guest.h"
#include <string.h>
#include "msr_regs.h"

struct guest guest;

/* ---- the vendor ---- */

static struct guest_cpu *cpu_of(const struct vmm_vcpu *vcpu) { return vcpu->vendor; }
static const char *unsupported(void) { return NULL; }
static int init(struct vmm *vmm) { return vmm == &guest.vmm ? 0 : VMM_E_INVAL; }
static int vcpu_init(struct vmm_vcpu *vcpu) {
    vcpu->vendor = &guest.cpu[vcpu->index];
    return 0;
}
static void enable(struct vmm_vcpu *vcpu) { cpu_of(vcpu)->n_enabled++; }
static void ready(struct vmm_vcpu *vcpu) { cpu_of(vcpu)->n_ready++; }
static void load(struct vmm_vcpu *vcpu, const struct vmm_cpu_state *state) { cpu_of(vcpu)->loaded = *state; }

static void run(struct vmm_vcpu *vcpu, struct vmm_exit *out_exit) {
    if (guest.n_entered < sizeof guest.entered / sizeof guest.entered[0])
        guest.entered[guest.n_entered++] = vcpu->inject;
    if (guest.n_script == 0) fake_finish(FAKE_STOPPED);
    vcpu->inject = (struct vmm_event){.type = VMM_EVENT_NONE};
    *out_exit = *guest.script++;
    guest.n_script--;
    guest_sync(vcpu);
}

static uint64_t reg_get(const struct vmm_vcpu *vcpu, enum vmm_reg reg) {
    if (reg < VMM_CR0 || reg >= VMM_N_REGS) fake_fail("register %d asked of the vendor", reg);
    return cpu_of(vcpu)->reg[reg];
}

static void reg_set(struct vmm_vcpu *vcpu, enum vmm_reg reg, uint64_t value) {
    if (reg < VMM_CR0 || reg >= VMM_N_REGS) fake_fail("register %d asked of the vendor", reg);
    cpu_of(vcpu)->reg[reg] = value;
}

static struct vmm_segment segment_get(const struct vmm_vcpu *vcpu, enum vmm_segment_name name) {
    return cpu_of(vcpu)->seg[name];
}

static void skipped(struct vmm_vcpu *vcpu) { cpu_of(vcpu)->n_skipped++; }
static void leave(struct vmm_vcpu *vcpu) { cpu_of(vcpu)->n_left++; }
static void iret_exit(struct vmm_vcpu *vcpu, bool on) { cpu_of(vcpu)->iret_exit = on; }

static unsigned insn_bytes(const struct vmm_vcpu *vcpu, uint8_t out[15]) {
    memcpy(out, cpu_of(vcpu)->insn_bytes, 15);
    return cpu_of(vcpu)->n_insn_bytes;
}

static void pio_intercept(struct vmm *vmm, uint16_t first, uint16_t n) {
    (void)vmm;
    memset(&guest.pio[first], 1, n);
}

static void msr_intercept(struct vmm *vmm, uint32_t msr, bool read, bool write) {
    (void)vmm;
    if (guest.n_msrs == sizeof guest.msr / sizeof guest.msr[0]) fake_fail("too many MSRs intercepted");
    guest.msr[guest.n_msrs++] = (struct guest_msr){msr, read, write};
}

const struct vmm_cpu_ops guest_ops = {
    .name = "fake",
    .unsupported = unsupported,
    .init = init,
    .vcpu_init = vcpu_init,
    .enable = enable,
    .ready = ready,
    .load = load,
    .run = run,
    .reg_get = reg_get,
    .reg_set = reg_set,
    .segment_get = segment_get,
    .skipped = skipped,
    .iret_exit = iret_exit,
    .leave = leave,
    .take_nmi = hw_svm_gif_window,
    .insn_bytes = insn_bytes,
    .pio_intercept = pio_intercept,
    .msr_intercept = msr_intercept,
};

/* ---- memory ---- */

static void *at(uint64_t physical) { return hw_direct(physical); }

uint64_t guest_peek(uint64_t physical, unsigned n_bytes) {
    uint64_t v = 0;
    memcpy(&v, at(physical), n_bytes);
    return v;
}

void guest_poke(uint64_t physical, unsigned n_bytes, uint64_t value) { memcpy(at(physical), &value, n_bytes); }

uint64_t *guest_pte(uint64_t linear) {
    uint64_t *table = at(GUEST_TABLES);
    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t *entry = &table[linear >> shift & 511];
        if (!(*entry & PT_P)) {
            *entry = guest.next_table | PT_P | PT_W | PT_U;
            guest.next_table += 4096;
            if (guest.next_table > GUEST_RAM + GUEST_RAM_BYTES) fake_fail("no more page-table pages");
        }
        table = at(*entry & PT_ADDR);
    }
    return &table[linear >> 12 & 511];
}

void guest_map(uint64_t linear, uint64_t physical, uint64_t flags) { *guest_pte(linear) = physical | flags | PT_P; }

void guest_code(const void *bytes, size_t n_bytes) {
    guest.vcpu[0].rip = GUEST_CODE;
    memcpy(at(GUEST_CODE), bytes, n_bytes);
}

/* ---- state ---- */

static void flat(struct guest_cpu *c, uint16_t code_attrib) {
    for (unsigned i = VMM_ES; i <= VMM_GS; i++)
        c->seg[i] = (struct vmm_segment){.selector = 0x10, .attrib = 0xc93, .limit = UINT32_MAX};
    c->seg[VMM_CS] = (struct vmm_segment){.selector = 0x08, .attrib = code_attrib, .limit = UINT32_MAX};
}

static void long_mode(struct guest_cpu *c) {
    flat(c, 0xa9b);
    c->reg[VMM_CR0] = 0x80010033; /* PG WP NE ET MP PE */
    c->reg[VMM_CR3] = GUEST_TABLES;
    c->reg[VMM_CR4] = 0x20; /* PAE */
    c->reg[VMM_EFER] = EFER_LME | EFER_LMA | EFER_NXE;
}

static void map_everything(void) {
    memset(at(GUEST_TABLES), 0, GUEST_RAM + GUEST_RAM_BYTES - GUEST_TABLES);
    guest.next_table = GUEST_TABLES + 4096;
    for (uint64_t a = 0; a < GUEST_RAM_BYTES; a += 4096) guest_map(a, a, PT_W);
    for (uint64_t a = 0; a < GUEST_DEV_BYTES; a += 4096) guest_map(GUEST_DEVICE + a, GUEST_DEVICE + a, PT_W);
    guest_map(GUEST_APIC, GUEST_APIC, PT_W);
    guest_map(GUEST_FLASH, GUEST_FLASH, PT_W);
    guest_map(GUEST_HIGH, GUEST_HIGH, PT_W);
    guest_map(GUEST_REGION, GUEST_REGION, PT_W);
    guest_map(GUEST_LOW_PAGE, GUEST_LOW_PAGE, PT_W);
}

void guest_reset_cpus(void) {
    for (unsigned i = 0; i < GUEST_CPUS; i++) {
        struct vmm_vcpu *v = &guest.vcpu[i];
        guest.cpu[i] = (struct guest_cpu){.cpl = 0};
        guest.cpu[i].reg[VMM_DR6] = 0xffff0ff0;
        long_mode(&guest.cpu[i]);
        *v = (struct vmm_vcpu){.self = v,
                               .vmm = &guest.vmm,
                               .index = i,
                               .apic_id = i,
                               .in_exit = true,
                               .rip = GUEST_CODE,
                               .rflags = 2,
                               .vendor = &guest.cpu[i]};
        v->gpr[VMM_RSP] = 0x8000;
        guest_sync(v);
    }
    fake_hw.n_log = 0;
    guest.n_entered = 0;
}

void guest_reset(void) {
    guest_reset_cpus();
    map_everything();
}

void guest_start(void) {
    struct vmm *vmm = &guest.vmm;
    fake_map(GUEST_RAM, GUEST_RAM_BYTES, guest.ram);
    fake_map(GUEST_HIGH, GUEST_HIGH_BYTES, guest.high);
    fake_map(GUEST_DEVICE, GUEST_DEV_BYTES, guest.device);
    fake_map(GUEST_APIC, sizeof guest.apic, guest.apic);
    fake_map(GUEST_FLASH, sizeof guest.flash, guest.flash);
    fake_map((uintptr_t)guest.arena, sizeof guest.arena, guest.arena); /* ours: 1:1 */
    fake_hw.forbidden[0] = (struct fake_window){.base = GUEST_REGION, .n_bytes = VMM_REGION_ALIGN};
    fake_hw.forbidden[1] = (struct fake_window){.base = GUEST_LOW_PAGE, .n_bytes = 4096};
    fake_hw.n_forbidden = 2;
    fake_msr(MSR_APIC_BASE, GUEST_APIC | APIC_BASE_EN | APIC_BASE_BSC, GUEST_APIC | 0xd00);
    *vmm = (struct vmm){.ops = &guest_ops,
                        .region = {GUEST_REGION, VMM_REGION_ALIGN},
                        .low_page = GUEST_LOW_PAGE,
                        .arena_next = (uintptr_t)guest.arena,
                        .arena_end = (uintptr_t)guest.arena + sizeof guest.arena,
                        .in_setup = true,
                        .ram = {{GUEST_RAM, GUEST_RAM_BYTES}, {GUEST_HIGH, GUEST_HIGH_BYTES}},
                        .n_ram = 2,
                        .n_cpus = GUEST_CPUS,
                        .slot = guest.slot,
                        .phys_bits = 40,
                        .direct_bits = 40,
                        .apic_base = GUEST_APIC};
    for (unsigned i = 0; i < GUEST_CPUS; i++) {
        vmm->vcpu[i] = &guest.vcpu[i];
        guest.slot[i] = (struct vmm_cpu_slot){.apic_id = i, .vcpu = &guest.vcpu[i]};
    }
    if (vmm_space_init(vmm)) fake_fail("vmm_space_init");
    guest_reset();
}

void guest_sync(struct vmm_vcpu *vcpu) {
    const struct guest_cpu *c = cpu_of(vcpu);
    vcpu->at = (struct vmm_context){.cr0 = c->reg[VMM_CR0],
                                    .cr3 = c->reg[VMM_CR3],
                                    .cr4 = c->reg[VMM_CR4],
                                    .efer = c->reg[VMM_EFER],
                                    .cs_base = c->seg[VMM_CS].base,
                                    .cs_attrib = c->seg[VMM_CS].attrib,
                                    .cpl = c->cpl};
}

void guest_flat32(void) {
    struct guest_cpu *c = &guest.cpu[0];
    flat(c, 0xc9b);
    c->reg[VMM_CR0] = 0x33;
    c->reg[VMM_CR4] = c->reg[VMM_EFER] = 0;
    guest_sync(&guest.vcpu[0]);
}

void guest_real(void) {
    struct guest_cpu *c = &guest.cpu[0];
    for (unsigned i = VMM_ES; i <= VMM_GS; i++) c->seg[i] = (struct vmm_segment){.attrib = 0x93, .limit = 0xffff};
    c->reg[VMM_CR0] = 0x32;
    c->reg[VMM_CR4] = c->reg[VMM_EFER] = 0;
    guest_sync(&guest.vcpu[0]);
}

/* ---- exits ---- */

void guest_exit(struct vmm_exit exit) {
    struct vmm_vcpu *v = &guest.vcpu[0];
    guest_sync(v);
    v->inject = (struct vmm_event){.type = VMM_EVENT_NONE};
    vmm_exit_handle(v, &exit);
    v->exit = NULL;
}

struct vmm_exit guest_mmio(uint64_t physical, bool write) {
    return (struct vmm_exit){.kind = VMM_EXIT_MMIO, .mmio = {.gpa = gpa(physical), .write = write}};
}

enum vmm_verdict guest_trap(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *access) {
    struct guest_trap *t = cookie;
    if (t->n_seen < sizeof t->seen / sizeof t->seen[0]) t->seen[t->n_seen++] = *access;
    if (t->answer == VMM_INJECT) vmm_inject(vcpu, 13, 0x123);
    if (t->answer == VMM_HANDLED && !access->write) access->value = t->value;
    return t->answer;
}
