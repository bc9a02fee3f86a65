/* see vmm/insn.h */
#include "insn_forms.h"

#include <string.h>

/* The bytes not yet consumed. The first error sticks; from then on every fetch gives zero. */
struct cursor {
    const uint8_t *bytes;
    size_t n_bytes;
    size_t pos;
    int error;
};

static uint8_t fetch_byte(struct cursor *c) {
    if (c->error) return 0;
    if (c->pos == VMM_INSN_MAX_BYTES)
        c->error = VMM_INSN_E_INVALID;
    else if (c->pos == c->n_bytes)
        c->error = VMM_INSN_E_SHORT;
    return c->error ? 0 : c->bytes[c->pos++];
}

static uint64_t fetch_unsigned(struct cursor *c, unsigned n_bytes) {
    uint64_t v = 0;
    for (unsigned i = 0; i < n_bytes; i++) v |= (uint64_t)fetch_byte(c) << (8 * i);
    return v;
}

static uint64_t fetch_signed(struct cursor *c, unsigned n_bytes) {
    uint64_t sign = BIT(8 * n_bytes - 1);
    return (fetch_unsigned(c, n_bytes) ^ sign) - sign;
}

#define REX_W BIT(3)
#define REX_R BIT(2)
#define REX_X BIT(1)
#define REX_B BIT(0)

struct decoder {
    struct cursor in;
    enum vmm_insn_mode mode;
    struct vmm_insn *insn;
    uint8_t rex; /* 0: none in effect */
    bool has_opsize, has_addrsize;
    uint8_t rep;     /* enum vmm_insn_rep: the last of F2 and F3 */
    uint8_t segment; /* enum vmm_seg, or VMM_N_SEGS: no override in effect */
    uint8_t opcode;  /* the last byte of it */
    struct insn_form form;
    uint8_t mod, reg, rm; /* ModRM; reg and rm without their REX bits */
};

static bool override_segment(struct decoder *d, enum vmm_seg seg) {
    /* In 64-bit mode only FS and GS count: APM volume 3, 1.2.4 "Segment-Override Prefixes". */
    if (d->mode != VMM_INSN_64 || seg >= VMM_SEG_FS) d->segment = (uint8_t)seg;
    return true;
}

/* True if the byte was a legacy prefix. */
static bool take_prefix(struct decoder *d, uint8_t byte) {
    switch (byte) {
    case 0x26: return override_segment(d, VMM_SEG_ES);
    case 0x2e: return override_segment(d, VMM_SEG_CS);
    case 0x36: return override_segment(d, VMM_SEG_SS);
    case 0x3e: return override_segment(d, VMM_SEG_DS);
    case 0x64: return override_segment(d, VMM_SEG_FS);
    case 0x65: return override_segment(d, VMM_SEG_GS);
    case 0x66: return d->has_opsize = true;
    case 0x67: return d->has_addrsize = true;
    case 0xf0: return d->insn->lock = true;
    case 0xf2: d->rep = VMM_INSN_REPNE; return true;
    case 0xf3: d->rep = VMM_INSN_REPE; return true;
    default: return false;
    }
}

/* Consume prefixes; a REX counts only directly before the opcode. Returns the first byte of the opcode. */
static uint8_t decode_prefixes(struct decoder *d) {
    for (;;) {
        uint8_t byte = fetch_byte(&d->in);
        if (d->mode == VMM_INSN_64 && (byte & 0xf0) == 0x40)
            d->rex = byte;
        else if (take_prefix(d, byte))
            d->rex = 0;
        else
            return byte;
    }
}

/* Prefixes and opcode: which row of the maps. */
static void decode_opcode(struct decoder *d) {
    const struct insn_form *map = insn_map_1;
    d->opcode = decode_prefixes(d);
    if (d->opcode == 0x0f) {
        map = insn_map_0f;
        d->opcode = fetch_byte(&d->in);
        if (d->opcode == 0x38) {
            d->opcode = fetch_byte(&d->in);
            map = NULL;
        }
    }
    d->form = map ? map[d->opcode] : insn_map_0f38(d->opcode);
}

static bool is_modrm_place(uint8_t place) { return place >= AT_RM && place <= AT_DR; }

/* The ModRM byte, if the row asks for one; it may select a row of its own. */
static void decode_modrm(struct decoder *d) {
    struct insn_form *f = &d->form;
    if (!(f->flags & FORM_MODRM) && !is_modrm_place(f->dst) && !is_modrm_place(f->src)) return;
    uint8_t byte = fetch_byte(&d->in);
    d->mod = (uint8_t)FIELD_GET(BITS(7, 6), byte);
    d->reg = (uint8_t)FIELD_GET(BITS(5, 3), byte);
    d->rm = (uint8_t)FIELD_GET(BITS(2, 0), byte);
    if (f->group == GROUP_0F01 && d->mod == 3) {
        *f = insn_map_0f01_mod3[byte - 0xc0];
    } else if (f->group != GROUP_NONE) {
        uint32_t flags = f->flags;
        *f = insn_groups[f->group][d->reg];
        f->flags |= flags;
    } else if (f->flags & FORM_OP_REG) {
        f->op = (uint8_t)(f->op + d->reg);
    } else if (f->flags & FORM_OP_BIT) {
        f->op = d->reg < 4 ? VMM_INSN_OP_NONE : (uint8_t)(f->op + d->reg - 4);
    }
}

/* 0, or why this form cannot be had in this mode or with these prefixes. */
static int check_form(const struct decoder *d) {
    uint32_t flags = d->form.flags;
    if (d->form.op == VMM_INSN_OP_NONE) return VMM_INSN_E_UNSUPPORTED;
    if ((flags & FORM_ONLY_64) && d->mode != VMM_INSN_64) return VMM_INSN_E_UNSUPPORTED;
    if ((flags & FORM_NP) && (d->has_opsize || d->rep)) return VMM_INSN_E_UNSUPPORTED;
    if ((flags & FORM_NO_REP) && d->rep) return VMM_INSN_E_UNSUPPORTED;
    if ((flags & FORM_P66) && !d->has_opsize) return VMM_INSN_E_UNSUPPORTED;
    if ((flags & FORM_PF3) && (d->rep != VMM_INSN_REPE || (d->rex & REX_B))) return VMM_INSN_E_UNSUPPORTED;
    if ((flags & FORM_NO_64) && d->mode == VMM_INSN_64) return VMM_INSN_E_INVALID;
    if ((flags & FORM_MEM_ONLY) && d->mod == 3) return VMM_INSN_E_INVALID;
    return 0;
}

static uint8_t operand_size(const struct decoder *d) {
    uint32_t flags = d->form.flags;
    if (flags & FORM_BYTE) return 1;
    if (flags & FORM_NATIVE) return d->mode == VMM_INSN_64 ? 8 : 4;
    if (d->rex & REX_W) return (flags & FORM_MAX32) ? 4 : 8;
    if (flags & FORM_MIN32) return 4;
    return (d->mode == VMM_INSN_16) == d->has_opsize ? 4 : 2;
}

static uint8_t source_size(const struct decoder *d) {
    uint32_t flags = d->form.flags;
    if (flags & FORM_SRC8) return 1;
    if (flags & FORM_SRC16) return 2;
    if (flags & FORM_SRC32) return 4;
    return d->insn->operand_bytes;
}

static uint8_t address_size(const struct decoder *d) {
    if (d->mode == VMM_INSN_64) return d->has_addrsize ? 4 : 8;
    return (d->mode == VMM_INSN_16) == d->has_addrsize ? 4 : 2;
}

static uint8_t rex_bit(const struct decoder *d, uint64_t bit) { return (d->rex & bit) ? 8 : 0; }

static void set_memory(struct vmm_insn *insn, uint8_t base, uint8_t index) {
    insn->base = base;
    insn->index = index;
    insn->seg = base == 4 || base == 5 ? VMM_SEG_SS : VMM_SEG_DS; /* rSP and rBP */
}

/* Intel SDM volume 2, 2.1.5 "Addressing-Mode Encoding of ModR/M and SIB Bytes", table 2-1 "16-Bit Addressing Forms with
 * the ModR/M Byte". */
static void decode_memory_16(struct decoder *d) {
    enum { BX = 3, BP = 5, SI = 6, DI = 7, NONE = VMM_INSN_REG_NONE };
    static const uint8_t pairs[8][2] = {{BX, SI},   {BX, DI},   {BP, SI},   {BP, DI},
                                        {SI, NONE}, {DI, NONE}, {BP, NONE}, {BX, NONE}};
    if (d->mod == 0 && d->rm == 6) {
        set_memory(d->insn, VMM_INSN_REG_NONE, VMM_INSN_REG_NONE);
        d->insn->disp = fetch_signed(&d->in, 2);
        return;
    }
    set_memory(d->insn, pairs[d->rm][0], pairs[d->rm][1]);
    if (d->mod != 0) d->insn->disp = fetch_signed(&d->in, d->mod == 1 ? 1 : 2);
}

/* The same section, tables 2-2 and 2-3, "32-Bit Addressing Forms with the ModR/M Byte" and "... with the SIB Byte". */
static void decode_memory_32(struct decoder *d) {
    uint8_t base = d->rm;
    uint8_t index = VMM_INSN_REG_NONE;
    if (d->rm == 4) {
        uint8_t sib = fetch_byte(&d->in);
        base = (uint8_t)FIELD_GET(BITS(2, 0), sib);
        index = (uint8_t)(FIELD_GET(BITS(5, 3), sib) + rex_bit(d, REX_X));
        if (index == 4) index = VMM_INSN_REG_NONE;
        d->insn->scale = (uint8_t)(1u << FIELD_GET(BITS(7, 6), sib));
    }
    if (d->mod == 0 && base == 5) {
        bool rip_relative = d->mode == VMM_INSN_64 && d->rm == 5;
        set_memory(d->insn, rip_relative ? VMM_INSN_REG_RIP : VMM_INSN_REG_NONE, index);
        d->insn->disp = fetch_signed(&d->in, 4);
        return;
    }
    set_memory(d->insn, (uint8_t)(base + rex_bit(d, REX_B)), index);
    if (d->mod != 0) d->insn->disp = fetch_signed(&d->in, d->mod == 1 ? 1 : 4);
}

static struct vmm_insn_operand gpr_operand(const struct decoder *d, unsigned n, unsigned n_bytes) {
    if (n_bytes == 1 && d->rex == 0 && n >= 4) return (struct vmm_insn_operand){VMM_INSN_GPR_HIGH8, (uint8_t)(n - 4)};
    return (struct vmm_insn_operand){VMM_INSN_GPR, (uint8_t)n};
}

static struct vmm_insn_operand decode_rm(struct decoder *d, unsigned n_bytes) {
    if (d->mod == 3) return gpr_operand(d, d->rm + rex_bit(d, REX_B), n_bytes);
    if (d->insn->address_bytes == 2)
        decode_memory_16(d);
    else
        decode_memory_32(d);
    return (struct vmm_insn_operand){VMM_INSN_MEM, 0};
}

static struct vmm_insn_operand decode_moffs(struct decoder *d) {
    set_memory(d->insn, VMM_INSN_REG_NONE, VMM_INSN_REG_NONE);
    d->insn->disp = fetch_unsigned(&d->in, d->insn->address_bytes);
    return (struct vmm_insn_operand){VMM_INSN_MEM, 0};
}

static struct vmm_insn_operand decode_immediate(struct decoder *d, uint8_t place) {
    unsigned n_bytes = place != AT_IMM ? 1 : d->insn->operand_bytes == 8 ? 4 : d->insn->operand_bytes;
    d->insn->imm = place == AT_IMM8U ? fetch_unsigned(&d->in, n_bytes) : fetch_signed(&d->in, n_bytes);
    return (struct vmm_insn_operand){VMM_INSN_IMM, 0};
}

/* A segment, control or debug register by ModRM.reg; `valid` has a bit set for each that exists. */
static struct vmm_insn_operand special_operand(struct decoder *d, uint8_t kind, unsigned n, unsigned valid) {
    if (!((valid >> n) & 1) && !d->in.error) d->in.error = VMM_INSN_E_INVALID;
    return (struct vmm_insn_operand){kind, (uint8_t)n};
}

static struct vmm_insn_operand decode_operand(struct decoder *d, uint8_t place, unsigned n_bytes) {
    switch ((enum insn_place)place) {
    case AT_RM: return decode_rm(d, n_bytes);
    case AT_REG: return gpr_operand(d, d->reg + rex_bit(d, REX_R), n_bytes);
    case AT_RM_REG: return gpr_operand(d, d->rm + rex_bit(d, REX_B), n_bytes);
    case AT_SREG: return special_operand(d, VMM_INSN_SEG, d->reg, 0x3f);
    case AT_CR: return special_operand(d, VMM_INSN_CR, d->reg + rex_bit(d, REX_R), 0x11d);
    case AT_DR: return special_operand(d, VMM_INSN_DR, d->reg + rex_bit(d, REX_R), 0xff);
    case AT_ACC: return (struct vmm_insn_operand){VMM_INSN_GPR, 0};
    case AT_DX: return (struct vmm_insn_operand){VMM_INSN_GPR, 2};
    case AT_MOFFS: return decode_moffs(d);
    case AT_IMM:
    case AT_IMM8S:
    case AT_IMM8U: return decode_immediate(d, place);
    case AT_NONE: break;
    }
    return (struct vmm_insn_operand){VMM_INSN_NONE, 0};
}

static bool is_string(uint8_t op) { return op >= VMM_INSN_OP_INS && op <= VMM_INSN_OP_SCAS; }

/* APM volume 3, 1.2.5 "Lock Prefix": read-modify-write of memory only. */
static bool may_lock(const struct vmm_insn *insn) {
    if (insn->dst.kind != VMM_INSN_MEM) return false;
    switch (insn->op) {
    case VMM_INSN_OP_CMP:
    case VMM_INSN_OP_BT:
    case VMM_INSN_OP_TEST: return false;
    default: return insn->op <= VMM_INSN_OP_DEC || (insn->op >= VMM_INSN_OP_XCHG && insn->op <= VMM_INSN_OP_CMPXCHG);
    }
}

static int check_lock(const struct vmm_insn *insn) {
    if (!insn->lock || may_lock(insn)) return 0;
    /* AMD reads LOCK MOV CR0 as MOV CR8 (AltMovCr8); nobody intercepts that. */
    return insn->op == VMM_INSN_OP_MOV_CR ? VMM_INSN_E_UNSUPPORTED : VMM_INSN_E_INVALID;
}

static void decode_operands(struct decoder *d) {
    struct vmm_insn *insn = d->insn;
    insn->op = d->form.op;
    insn->condition = d->opcode & 0xf;
    insn->operand_bytes = operand_size(d);
    insn->src_bytes = source_size(d);
    insn->address_bytes = address_size(d);
    if (is_string(insn->op)) insn->rep = d->rep;
    /* In this order: where both follow the opcode, the destination is in memory and the source an immediate. */
    insn->dst = decode_operand(d, d->form.dst, insn->operand_bytes);
    insn->src = decode_operand(d, d->form.src, insn->src_bytes);
    if (d->segment != VMM_N_SEGS) insn->seg = d->segment;
    if ((d->form.flags & FORM_MEM16) && insn->dst.kind == VMM_INSN_MEM) insn->operand_bytes = insn->src_bytes = 2;
    insn->n_bytes = (uint8_t)d->in.pos;
}

static uint8_t plain(const struct vmm_insn *insn) {
    if (insn->op != VMM_INSN_OP_MOV || insn->operand_bytes < 4) return VMM_INSN_NOT_PLAIN;
    if (insn->dst.kind == VMM_INSN_GPR && insn->src.kind == VMM_INSN_MEM) return VMM_INSN_PLAIN_LOAD;
    return insn->dst.kind == VMM_INSN_MEM && insn->src.kind == VMM_INSN_GPR ? VMM_INSN_PLAIN_STORE : VMM_INSN_NOT_PLAIN;
}

int vmm_insn_decode(const uint8_t *bytes, size_t n_bytes, enum vmm_insn_mode mode, struct vmm_insn *out) {
    struct decoder d = {.in = {.bytes = bytes, .n_bytes = n_bytes}, .mode = mode, .insn = out, .segment = VMM_N_SEGS};
    memset(out, 0, sizeof *out);
    set_memory(out, VMM_INSN_REG_NONE, VMM_INSN_REG_NONE);
    out->scale = 1;
    decode_opcode(&d);
    decode_modrm(&d);
    if (d.in.error) return d.in.error;
    int error = check_form(&d);
    if (error) return error;
    decode_operands(&d);
    out->plain = plain(out);
    return d.in.error ? d.in.error : check_lock(out);
}

uint64_t vmm_insn_offset(const struct vmm_insn *insn, const uint64_t *gpr, uint64_t rip) {
    uint64_t offset = insn->disp;
    if (insn->base == VMM_INSN_REG_RIP)
        offset += rip + insn->n_bytes;
    else if (insn->base != VMM_INSN_REG_NONE)
        offset += gpr[insn->base];
    if (insn->index != VMM_INSN_REG_NONE) offset += gpr[insn->index] * insn->scale;
    return offset & BITS(8 * insn->address_bytes - 1, 0);
}
