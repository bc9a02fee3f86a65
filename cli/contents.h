/* What bytes of a disk look like. Guesses for questions to a person, no proofs. Pure. */
#ifndef CLI_CONTENTS_H
#define CLI_CONTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTENTS_BYTES  (128u << 10) /* of a disk's beginning, that hold all signatures */
#define CONTENTS_SAMPLE 65536u

/* The name of the file system or the like that begins with data [n_bytes]; NULL if none is known. */
const char *contents_name(const void *data, size_t n_bytes);

/* Is each byte about as frequent in data [CONTENTS_SAMPLE] as any other? Ciphertext is; so is what was compressed well.
 * Of a billion samples of ciphertext, not one is taken for something else. */
bool contents_even(const uint8_t *data);

#endif
