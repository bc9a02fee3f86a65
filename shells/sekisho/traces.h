/* What a firmware's drivers keep of typed characters: found by what was typed, and wiped. Pure.
 *
 * Drivers of keyboards and terminals hand characters on through rings that nobody clears: as bytes, as UCS-2, and in
 * arrays of EFI_INPUT_KEY and EFI_KEY_DATA. Source: UEFI Specification 2.10, 12.2.3
 * "EFI_SIMPLE_TEXT_INPUT_EX_PROTOCOL.ReadKeyStrokeEx()", 12.3.3 "EFI_SIMPLE_TEXT_INPUT_PROTOCOL.ReadKeyStroke()". */
#ifndef SEKISHO_TRACES_H
#define SEKISHO_TRACES_H

#include <stddef.h>
#include <stdint.h>

#define TRACES_TYPED_MAX 1024u

/* All zero bytes at first. */
struct traces {
    uint16_t typed[TRACES_TYPED_MAX]; /* as the firmware gave them; of more, the last ones */
    size_t n_typed;                   /* since the start */
};

void traces_add(struct traces *t, uint16_t character);

/* Zero, in memory of [n_bytes], what was typed: runs of at least four characters in arrays of keys, of eight or a whole
 * line elsewhere, and only if three of them are different, so that nothing is taken for it by chance. How many
 * characters. MUST: *t lies elsewhere. */
size_t traces_wipe(const struct traces *t, void *memory, size_t n_bytes);

#endif
