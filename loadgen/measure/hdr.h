/*
 * HdrHistogram interchange, format V2 (HdrHistogram, EncodableHistogram.java
 * and AbstractHistogram.encodeIntoByteBuffer): struct hist has its bucket
 * layout, so the counts travel as they are. Minimum and maximum become bucket
 * bounds on the way.
 *
 *   outer   u32 0x1c849314, i32 length of what follows, zlib stream of:
 *   inner   u32 0x1c849313, i32 payload length, i32 0, i32 significant figures,
 *           i64 lowest, i64 highest, f64 1.0; all big-endian
 *   payload zigzag LEB128-64b9B; -z stands for z empty buckets
 */
#ifndef SOCKBENCH_LOADGEN_MEASURE_HDR_H
#define SOCKBENCH_LOADGEN_MEASURE_HDR_H

#include "loadgen/measure/hist.h"

#include <stdio.h>

/* Base64 of the compressed form ("HISTFA..."), on the heap; NULL: no memory. */
char *hdr_encode(const struct hist *hist);

/* The percentile distribution as text (.hgrm, "plotFiles" of HdrHistogram):
 * values in ms, five ticks a half distance. 0 or -errno. */
int hdr_write_distribution(const struct hist *hist, FILE *out);

#endif
