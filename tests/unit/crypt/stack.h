/* Looks for secrets on the stack that a function leaves.
 *
 * The function runs on a thread whose stack is ours; afterwards every 8 bytes of that stack, at any alignment, are
 * looked up among the secrets. */
#ifndef TEST_CRYPT_STACK_H
#define TEST_CRYPT_STACK_H

#include <stddef.h>

void secrets_clear(void);
void secret_add(const void *p, size_t n_bytes);
/* Also as BearSSL's hash functions hold it: as big-endian words of 32 and of 64 bits. */
void secret_add_swapped(const void *p, size_t n_bytes);

/* How many secrets f(arg) leaves. Fails the test if the search does not find one left on purpose. */
size_t stack_residue(void (*f)(void *arg), void *arg);

#endif
