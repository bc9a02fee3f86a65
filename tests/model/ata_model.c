/* see ata_model.h: the registers, and the turn of who gets on */
#include "ata_model.h"

#include <string.h>
#include "ata_wire.h"

/* Class code 0101h: with a bus master; native where its channels say so, which they let software change. */
#define CLASS_LEGACY 0x01018au
#define CLASS_NATIVE 0x01018fu
enum { PROG_IF = 0x09 };

static const uint16_t native_ports[4] = {0xd010, 0xd020, 0xd030, 0xd040};

uint32_t ata_model_random(struct ata_model *m, uint32_t below) {
    m->rng ^= m->rng << 13;
    m->rng ^= m->rng >> 17;
    m->rng ^= m->rng << 5;
    return m->rng % below;
}

void ata_model_bad(struct ata_model *m, const char *what) {
    m->n_bad_registers++;
    m->bad = what;
}

struct ata_model_channel *ata_model_channel_of(struct ata_model *m, const struct ata_model_device *d) {
    return d >= m->ch[1].dev ? &m->ch[1] : &m->ch[0];
}

static struct ata_model_device *selected(struct ata_model_channel *c) { return &c->dev[!!(c->device & W_DEV_DEV)]; }
static bool is_empty(const struct ata_model_channel *c) { return !c->dev[0].disk && !c->dev[1].disk; }

/* The line is the selected device's; a rise sets the bus master's bit. */
void ata_model_update_line(struct ata_model_channel *c) {
    bool line = selected(c)->intrq && !(c->control & W_CTL_NIEN);
    if (line && !c->line) {
        c->n_irqs++;
        c->bm_status |= W_BM_IRQ;
    }
    c->line = line;
}

static void auto_step(struct ata_model *m) {
    while (ata_model_random(m, 100) < m->auto_step && ata_model_step(m)) {
    }
}

/* --- the data register --- */

static uint32_t read_data(struct ata_model *m, struct ata_model_device *d, unsigned n_bytes) {
    uint32_t value = UINT32_MAX;
    m->n_data_accesses++;
    m->n_odd_data += n_bytes == 1 || d->phase == ATA_DMA;
    if (d->phase != ATA_BLOCK || d->task.move != ATA_TO_HOST) return value;
    if (n_bytes > d->n_block - d->at_block) n_bytes = d->n_block - d->at_block;
    memcpy(&value, d->block + d->at_block, n_bytes);
    d->at_block += n_bytes;
    if (d->at_block == d->n_block) ata_model_block_done(m, d);
    return value;
}

static void write_data(struct ata_model *m, struct ata_model_device *d, unsigned n_bytes, uint32_t value) {
    m->n_data_accesses++;
    m->n_odd_data += n_bytes == 1 || d->phase == ATA_DMA;
    bool cdb = d->phase == ATA_CDB;
    if (!cdb && (d->phase != ATA_BLOCK || d->task.move != ATA_TO_DEVICE)) return;
    if (n_bytes > d->n_block - d->at_block) n_bytes = d->n_block - d->at_block;
    memcpy((cdb ? d->cdb : d->block) + d->at_block, &value, n_bytes);
    d->at_block += n_bytes;
    if (d->at_block == d->n_block) ata_model_block_done(m, d);
}

/* --- command and control blocks --- */

/* An absent device 1 is answered for by device 0, with a status of 0; the other way round nobody drives the bus, nor on
 * an empty channel, where a resistor pulls bit 7 down. */
static uint8_t read_register(struct ata_model *m, struct ata_model_channel *c, unsigned reg) {
    struct ata_model_device *d = selected(c);
    unsigned hob = !!(c->control & W_CTL_HOB);
    if (is_empty(c) || (!d->disk && d == &c->dev[0])) return 0x7f;
    bool absent = !d->disk;
    if (absent) d = &c->dev[0];
    switch (reg) {
    case P_ERROR: return d->error;
    case P_COUNT: return d->count[hob];
    case P_LBA0: return d->lba[0][hob];
    case P_LBA1: return d->lba[1][hob];
    case P_LBA2: return d->lba[2][hob];
    case P_DEVICE: return c->device;
    default: break; /* status */
    }
    if (absent) return 0;
    auto_step(m);
    d->intrq = false;
    ata_model_update_line(c);
    return d->status;
}

static uint8_t read_alternate(struct ata_model *m, struct ata_model_channel *c) {
    struct ata_model_device *d = selected(c);
    if (is_empty(c) || (!d->disk && d == &c->dev[0])) return 0x7f;
    if (!d->disk) return 0;
    auto_step(m);
    return d->status;
}

static void push(uint8_t reg[2], uint8_t value) {
    reg[1] = reg[0];
    reg[0] = value;
}

static void write_parameter(struct ata_model_device *d, unsigned reg, uint8_t value) {
    switch (reg) {
    case P_FEATURES: push(d->features, value); break;
    case P_COUNT: push(d->count, value); break;
    case P_LBA0:
    case P_LBA1:
    case P_LBA2: push(d->lba[reg - P_LBA0], value); break;
    default: break;
    }
}

static bool is_busy(const struct ata_model_device *d) { return d->disk && (d->status & (W_ST_BSY | W_ST_DRQ)); }

/* Both devices latch what is written; only the selected one executes. */
static void write_register(struct ata_model *m, struct ata_model_channel *c, unsigned reg, uint8_t value) {
    struct ata_model_device *d = selected(c);
    c->control &= (uint8_t)~W_CTL_HOB;
    if (reg == P_COMMAND) {
        if (value == W_DEVICE_RESET && d->disk && d->disk->atapi)
            ata_model_reset(m, d);
        else if (value == W_DEVICE_RESET && is_busy(d))
            ata_model_fail_now(m, d); /* a disk does not know it */
        else if (is_busy(d))
            ata_model_bad(m, "command while BSY or DRQ");
        else if (d->disk || value == W_DIAGNOSTIC)
            ata_model_command(m, c, value);
        ata_model_update_line(c);
        return;
    }
    if (is_busy(d)) {
        ata_model_bad(m, "command block written while BSY or DRQ");
        return;
    }
    if (reg == P_DEVICE) {
        c->device = value;
        ata_model_update_line(c);
    }
    for (unsigned i = 0; i < ATA_MODEL_DEVICES; i++)
        if (!is_busy(&c->dev[i])) write_parameter(&c->dev[i], reg, value);
}

/* 9.2 "Software reset protocol": begins with SRST, ends some time after it was cleared. */
static void write_control(struct ata_model *m, struct ata_model_channel *c, uint8_t value) {
    bool srst = (value & W_CTL_SRST) && !(c->control & W_CTL_SRST);
    c->control = value;
    for (unsigned i = 0; i < ATA_MODEL_DEVICES; i++)
        if (srst && c->dev[i].disk) ata_model_reset(m, &c->dev[i]);
    if (srst) c->device = 0;
    ata_model_update_line(c);
}

/* --- ports --- */

/* Windows 0 and 1: the first channel's command and control block; 2 and 3: the second's; 4: the bus master. */
static uint32_t port_read(void *model, unsigned window, unsigned offset, unsigned n_bytes) {
    struct ata_model *m = model;
    struct ata_model_channel *c = &m->ch[(window >> 1) & 1];
    if (window == 4) {
        if ((offset & (P_BM_CHANNEL - 1)) == P_BM_STATUS) auto_step(m);
        return ata_model_bm_read(m, offset, n_bytes);
    }
    bool control = window & 1;
    if (!control && offset == P_DATA) return is_empty(c) ? UINT32_MAX : read_data(m, selected(c), n_bytes);
    if (n_bytes != 1) ata_model_bad(m, "wide read of a register");
    if (control) return offset == P_ALT_STATUS ? read_alternate(m, c) : 0xff;
    return read_register(m, c, offset);
}

static void port_write(void *model, unsigned window, unsigned offset, unsigned n_bytes, uint32_t value) {
    struct ata_model *m = model;
    struct ata_model_channel *c = &m->ch[(window >> 1) & 1];
    if (window == 4) {
        ata_model_bm_write(m, offset, n_bytes, value);
        return;
    }
    bool control = window & 1;
    if (!control && offset == P_DATA) {
        if (!is_empty(c)) write_data(m, selected(c), n_bytes, value);
        return;
    }
    if (n_bytes != 1) ata_model_bad(m, "wide write of a register");
    if (!control)
        write_register(m, c, offset, (uint8_t)value);
    else if (offset == P_CONTROL)
        write_control(m, c, (uint8_t)value);
}

/* --- set-up --- */

void ata_model_init(struct ata_model *m, struct fake_host *fake, bool native, uint32_t seed) {
    memset(m, 0, sizeof *m);
    m->fake = fake;
    m->native = native;
    m->rng = seed * 2654435761u | 1;
    for (unsigned i = 0; i < ATA_MODEL_CHANNELS; i++) m->ch[i].bm_status = W_BM_CAPABLE;
}

struct fake_fn *ata_model_attach(struct ata_model *m) {
    struct fake_fn *fn = fake_host_add(m->fake, ATA_MODEL_BDF, 0x70108086, m->native ? CLASS_NATIVE : CLASS_LEGACY);
    static const uint16_t fixed[4] = {W_LEGACY_CMD0, W_LEGACY_CTL0, W_LEGACY_CMD1, W_LEGACY_CTL1};
    for (uint8_t i = 0; i < 4; i++) {
        bool control = i & 1;
        if (m->native) fake_fn_set_io_bar(fn, i, control ? 4 : 8, native_ports[i]);
        uint16_t n = control ? 1 : 8;
        fn->window[i] = m->native ? (struct fake_window){.n = control ? 4 : 8, .bar = i}
                                  : (struct fake_window){.n = n, .fixed = fixed[i], .first = control ? P_CONTROL : 0};
    }
    fake_fn_set_io_bar(fn, 4, 16, ATA_MODEL_BM_BASE);
    fn->window[4] = (struct fake_window){.n = 16, .bar = 4};
    fn->writable[PROG_IF] = 0x05;
    fn->model = m;
    fn->port_read = port_read;
    fn->port_write = port_write;
    return fn;
}

void ata_model_plug(struct ata_model *m, unsigned device, struct ata_disk *disk) {
    struct ata_model_device *d = &m->ch[device / 2].dev[device % 2];
    *d = (struct ata_model_device){.disk = disk};
    if (!disk) return;
    ata_model_reset(m, d);
    while (d->phase == ATA_RESETTING) ata_model_step_device(m, d);
}

void ata_model_fail(struct ata_model *m, unsigned device, enum ata_model_fault fault, unsigned n) {
    struct ata_model_device *d = &m->ch[device / 2].dev[device % 2];
    d->next_fault = fault;
    d->fault_in = n;
}

bool ata_model_step(struct ata_model *m) {
    unsigned first = ata_model_random(m, 6);
    for (unsigned i = 0; i < 6; i++) {
        unsigned who = (first + i) % 6;
        struct ata_model_channel *c = &m->ch[who & 1];
        bool did = who < 4 ? ata_model_step_device(m, &c->dev[who >> 1]) : ata_model_step_bm(m, c);
        ata_model_update_line(c);
        if (did) return true;
    }
    return false;
}

void ata_model_settle(struct ata_model *m) {
    while (ata_model_step(m)) {
    }
}
