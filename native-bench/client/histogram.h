/*
 * A log-linear histogram of nanoseconds, as HdrHistogram's: exact below 256, then 128 steps per power of two, so a
 * percentile is at most 0.8 % too high and never too low. Recording is a shift and an addition.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_STEP_BITS 7
#define HISTOGRAM_STEPS (1U << HISTOGRAM_STEP_BITS)
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_STEP_BITS + 1) * HISTOGRAM_STEPS)

struct histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_reset(struct histogram *histogram);

/* The value that `share` (0 to 1) of all recorded ones do not exceed; 0 when there are none. */
uint64_t histogram_percentile(const struct histogram *histogram, double share);

/* The highest value that falls into a bucket. */
uint64_t histogram_bucket_top(size_t bucket);

static inline size_t histogram_bucket(uint64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return (size_t)value;
    unsigned shift = 63U - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
    return ((size_t)shift << HISTOGRAM_STEP_BITS) + (size_t)(value >> shift);
}

static inline void histogram_record(struct histogram *histogram, uint64_t value)
{
    histogram->count++;
    histogram->sum += value;
    if (value > histogram->max)
        histogram->max = value;
    histogram->buckets[histogram_bucket(value)]++;
}

#endif
