/* Files and disks, whole or not at all. Each returns false with errno set. */
#ifndef CLI_FILE_H
#define CLI_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* n_bytes at offset; what lies beyond the end reads as zeros. */
bool file_read(int fd, uint64_t offset, void *dst, size_t n_bytes);
bool file_write(int fd, uint64_t offset, const void *src, size_t n_bytes);

/* Make the entry of path in its folder stay, or its absence. */
bool file_sync_folder(const char *path);

#endif
