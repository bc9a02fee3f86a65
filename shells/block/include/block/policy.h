/* From what a person wrote in sekisho.conf to what a block mediator enforces. Pure; any context. */
#ifndef BLOCK_POLICY_H
#define BLOCK_POLICY_H

#include <conf/conf.h>
#include <dvi/policy.h>

/* The policy of one disk.
 *   disk         its section, from conf_parse, or from resolve_disk if a range names a partition. Of a partition that
 *                nobody looked up, all is denied that no range before it holds
 *   transforms   in the order of the configuration's keys: what each of them does to the data
 * Cannot fail. *out keeps pointers into transforms, which MUST outlive it, and nothing of disk. */
void policy_from_conf(const struct conf_disk *disk, const struct dvi_blk_transform *transforms, struct dvi_policy *out);

#endif
