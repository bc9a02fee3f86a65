/* see sekisho.h. Source: ACPI 6.4, 4.8.3.2 "PM1 Control Registers", 4.8.3.2.1. */
#include "sekisho.h"

/* SLP_EN and SLP_TYP both lie in the register's upper byte: no access can split them. */
#define PM1_CNT_BYTES    2u
#define PM1_CNT_UPPER    1u
#define UPPER_SLP_TYP(b) ((b) >> 2 & 7u) /* bits 12:10, RW */
#define UPPER_SLP_EN     (1u << 5)       /* bit 13, WO */
#define N_REGISTERS      2u

static struct {
    struct vmm *vmm;
    uint16_t port[N_REGISTERS]; /* [I] 0: none */
    uint8_t s5[N_REGISTERS];    /* [I] */
    bool refused;               /* [A] it was said once */
} sleep;

/* Wherever in the access the upper byte of a register lies. */
static bool sleeps(const struct vmm_access *a, uint16_t port, uint8_t s5) {
    uint64_t at = (uint64_t)port + PM1_CNT_UPPER;
    if (!port || at < a->addr || at - a->addr >= a->n_bytes) return false;
    uint8_t upper = (uint8_t)(a->value >> 8 * (at - a->addr));
    return (upper & UPPER_SLP_EN) && UPPER_SLP_TYP(upper) != s5;
}

/* One access may reach both registers, whichever of them it was trapped for. */
static enum vmm_verdict control(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *a) {
    (void)vcpu;
    (void)cookie;
    bool refuse = false;
    for (unsigned i = 0; i < N_REGISTERS; i++) refuse = refuse || sleeps(a, sleep.port[i], sleep.s5[i]);
    if (!a->write || !refuse) return VMM_PASS;
    if (!__atomic_exchange_n(&sleep.refused, true, __ATOMIC_RELAXED))
        vmm_log(sleep.vmm, "sekisho: sleep refused: it would end outside, with the keys in memory");
    return VMM_SKIP;
}

void sekisho_sleep_init(struct vmm *vmm, const struct sekisho_settings *s) {
    sleep.vmm = vmm;
    sleep.port[0] = s->pm1a;
    sleep.port[1] = s->pm1b == s->pm1a ? 0 : s->pm1b;
    sleep.s5[0] = s->s5_pm1a;
    sleep.s5[1] = s->s5_pm1b;
    int r = s->pm1a ? 0 : VMM_E_INVAL;
    for (unsigned i = 0; i < N_REGISTERS && !r; i++)
        if (sleep.port[i]) r = vmm_pio_trap(vmm, sleep.port[i], PM1_CNT_BYTES, control, NULL);
    if (r) vmm_log(vmm, "sekisho: sleep is NOT guarded: its control registers are not known or taken (error %d)", r);
}
