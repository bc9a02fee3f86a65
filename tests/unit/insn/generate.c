#include "generate.h"

uint64_t next_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

uint64_t random_operand(uint64_t *state) {
    static const uint8_t widths[] = {8, 16, 32, 64};
    uint64_t top = UINT64_C(1) << (widths[random_below(state, 4)] - 1);
    switch (random_below(state, 8)) {
    case 0: return 0;
    case 1: return UINT64_MAX;
    case 2: return random_below(state, 3);
    case 3: return top;
    case 4: return top - 1;
    case 5: return 2 * top - 1;
    default: return next_random(state);
    }
}

/* Opcodes of the three maps the library decodes. */
static const uint8_t one_byte[] = {
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x08, 0x09, 0x0a, 0x0b, 0x10, 0x11, 0x13, 0x18, 0x19, 0x1b, 0x20, 0x21, 0x23,
    0x25, 0x28, 0x29, 0x2b, 0x30, 0x31, 0x33, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x63, 0x6c, 0x6d, 0x6e, 0x6f, 0x80,
    0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6,
    0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 0xc6, 0xc7, 0xf6, 0xf6, 0xf7, 0xf7, 0xf7, 0xfe, 0xff, 0xff};
static const uint8_t map_0f[] = {0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b,
                                 0x4c, 0x4d, 0x4e, 0x4f, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97,
                                 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa3, 0xab, 0xb0, 0xb1,
                                 0xb3, 0xb6, 0xb7, 0xba, 0xbb, 0xbe, 0xbf, 0xc0, 0xc1, 0xc3, 0xba, 0xb1};

void random_insn(uint64_t *state, enum vmm_insn_mode mode, uint8_t bytes[VMM_INSN_MAX_BYTES]) {
    static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x65, 0x66,
                                       0x66, 0x67, 0x67, 0xf0, 0xf2, 0xf3, 0xf3, 0x48};
    unsigned n = 0;
    for (unsigned i = 0; i < VMM_INSN_MAX_BYTES; i++) bytes[i] = (uint8_t)(next_random(state) >> 56);
    while (n < 6 && random_below(state, 5) < 2) {
        uint8_t prefix = prefixes[random_below(state, sizeof prefixes)];
        if (prefix != 0x48 || mode == VMM_INSN_64) bytes[n++] = prefix;
    }
    if (mode == VMM_INSN_64 && random_below(state, 2)) bytes[n++] = (uint8_t)(0x40 | random_below(state, 16));
    switch (random_below(state, 16)) {
    case 0: n++; break;             /* any opcode */
    case 1: bytes[n] = 0x0f; break; /* any of that map */
    case 2:
        bytes[n++] = 0x0f;
        bytes[n++] = 0x38;
        bytes[n++] = random_below(state, 8) ? (uint8_t)(0xf0 | random_below(state, 2)) : 0x82;
        break;
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
        bytes[n++] = 0x0f;
        bytes[n++] = map_0f[random_below(state, sizeof map_0f)];
        break;
    default: bytes[n++] = one_byte[random_below(state, sizeof one_byte)]; break;
    }
    /* Every other displacement and immediate is small. */
    if (random_below(state, 2))
        for (unsigned i = n + 2; i < VMM_INSN_MAX_BYTES; i += 1 + random_below(state, 3)) bytes[i] = 0;
}
