#include "histogram.h"

#include <string.h>

void histogram_reset(struct histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

uint64_t histogram_bucket_top(size_t bucket)
{
    if (bucket < 2 * HISTOGRAM_STEPS)
        return bucket;
    unsigned shift = (unsigned)(bucket >> HISTOGRAM_STEP_BITS) - 1;
    uint64_t step = bucket - ((uint64_t)shift << HISTOGRAM_STEP_BITS);
    return (step << shift) + ((1ULL << shift) - 1);
}

uint64_t histogram_percentile(const struct histogram *histogram, double share)
{
    if (histogram->count == 0)
        return 0;
    double exact = share * (double)histogram->count;
    uint64_t wanted = (uint64_t)exact;
    if ((double)wanted < exact || wanted == 0)
        wanted++;
    uint64_t seen = 0;
    for (size_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen >= wanted) {
            uint64_t top = histogram_bucket_top(bucket);
            return top < histogram->max ? top : histogram->max;
        }
    }
    return histogram->max;
}
