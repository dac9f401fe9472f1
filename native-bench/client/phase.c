#include "phase.h"

#include <stdio.h>
#include <sys/resource.h>

#include "clock.h"
#include "histogram.h"
#include "loop.h"
#include "measure.h"
#include "pace.h"
#include "receivers.h"
#include "tally.h"
#include "trips.h"

/* Between two of its turns to publish, the one thread reads what has come. */
#define OFFERS_PER_TURN 64
#define REFUSED_WAIT_NS (100 * 1000LL)
#define IDLE_WAIT_NS (1000 * 1000LL)
/* After the last expected delivery: time for those that nobody expects. */
#define SURPLUS_NS (10 * NS_PER_MS)

struct progress {
    uint64_t start_ns;
    uint64_t offered;
    uint64_t refused_before;
    /* Deliveries given up, so that the window opens again. */
    uint64_t given_up;
    long receivers;
    struct histogram late;
};

static uint64_t delivered_total = 0;
static uint64_t published_total = 0;

static uint64_t cpu_ns(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    uint64_t seconds = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
    return seconds * NS_PER_SECOND + (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

static uint64_t published(const struct progress *progress, const struct publisher *publisher)
{
    return publisher == NULL ? 0 : progress->offered - (publisher->refused - progress->refused_before);
}

static uint64_t expected(const struct progress *progress, const struct publisher *publisher)
{
    return progress->receivers <= 0 ? 0 : published(progress, publisher) * (uint64_t)progress->receivers;
}

static uint64_t window_now(const struct phase_options *options, const struct progress *progress, uint64_t now_ns)
{
    uint64_t elapsed_ns = now_ns - progress->start_ns;
    uint64_t messages = measure.delivered / (uint64_t)progress->receivers;
    uint64_t paced = elapsed_ns == 0 ? 0 : messages * WINDOW_NS / elapsed_ns;
    uint64_t window = paced < WINDOW_MIN ? WINDOW_MIN : paced;
    return window < options->window ? window : options->window;
}

static bool window_is_full(const struct phase_options *options, struct progress *progress,
                           const struct publisher *publisher, uint64_t now_ns)
{
    if (options->window == 0 || progress->receivers <= 0)
        return false;
    uint64_t wanted = expected(progress, publisher);
    uint64_t come = measure.delivered + progress->given_up;
    if (wanted < come + window_now(options, progress, now_ns) * (uint64_t)progress->receivers)
        return false;
    if (now_ns < measure.last_ns + WINDOW_LOST_NS)
        return true;
    progress->given_up += wanted - come;
    tally_add("window-stalled", 1);
    return false;
}

/* Publishes what may be published now; returns how long the loop may wait. */
static int64_t publish_saturated(const struct phase_options *options, struct progress *progress,
                                 struct publisher *publisher, uint64_t now_ns)
{
    for (int i = 0; i < OFFERS_PER_TURN; i++) {
        if (window_is_full(options, progress, publisher, now_ns))
            return IDLE_WAIT_NS;
        if (!publisher->offer(publisher, clock_now()))
            return REFUSED_WAIT_NS;
        progress->offered += publisher->items;
    }
    return 0;
}

static int64_t publish_paced(const struct pace *pace, struct progress *progress, struct publisher *publisher,
                             uint64_t now_ns)
{
    uint64_t due = pace_due(pace, now_ns);
    while (progress->offered < due) {
        uint64_t meant_ns = pace_time(pace, progress->offered);
        if (!publisher->offer(publisher, meant_ns))
            return REFUSED_WAIT_NS;
        histogram_record(&progress->late, now_ns - meant_ns);
        progress->offered += publisher->items;
    }
    uint64_t next_ns = pace_time(pace, progress->offered);
    return next_ns > now_ns ? (int64_t)(next_ns - now_ns) : 0;
}

static void work(const struct phase_options *options, struct progress *progress, struct publisher *publisher,
                 uint64_t start_ns)
{
    struct pace pace = {.start_ns = start_ns, .per_second = options->rate};
    uint64_t end_ns = start_ns + options->duration_ns;
    for (uint64_t now_ns = start_ns; now_ns < end_ns; now_ns = clock_now()) {
        int64_t wait_ns = (int64_t)(end_ns - now_ns);
        if (publisher != NULL) {
            int64_t next_ns = options->rate > 0 ? publish_paced(&pace, progress, publisher, now_ns)
                                                : publish_saturated(options, progress, publisher, now_ns);
            publisher->flush(publisher);
            wait_ns = next_ns < wait_ns ? next_ns : wait_ns;
        }
        receivers_sip(now_ns);
        if (options->slow && wait_ns > (int64_t)SLOW_INTERVAL_NS)
            wait_ns = (int64_t)SLOW_INTERVAL_NS;
        loop_turn(wait_ns);
    }
}

/* Until everything expected has come, or nothing has for the stall time. */
static void drain(const struct phase_options *options, const struct progress *progress, struct publisher *publisher,
                  bool trips)
{
    if (publisher != NULL)
        publisher->finish(publisher);
    uint64_t last_count = measure.delivered;
    uint64_t progress_ns = clock_now();
    for (;;) {
        bool settled = publisher == NULL || publisher->settled(publisher);
        bool complete = measure.delivered >= expected(progress, publisher) && (!trips || trips_under_way() == 0);
        uint64_t now_ns = clock_now();
        if (settled && complete && !options->settle)
            break;
        if (measure.delivered != last_count)
            progress_ns = now_ns;
        last_count = measure.delivered;
        if (now_ns - progress_ns > options->stall_ns) {
            if (!settled)
                tally_add("publish-not-settled", 1);
            if (trips && trips_under_way() > 0)
                tally_add("trip-not-answered", trips_under_way());
            return;
        }
        loop_turn(10 * (int64_t)NS_PER_MS);
    }
    uint64_t end_ns = clock_now() + SURPLUS_NS;
    while (!trips && publisher != NULL && clock_now() < end_ns)
        loop_turn((int64_t)SURPLUS_NS / 2);
}

static void print_histogram(const char *name, const struct histogram *histogram)
{
    printf(",\"%s\":{\"count\":%llu", name, (unsigned long long)histogram->count);
    if (histogram->count > 0) {
        const struct {
            const char *name;
            double share;
        } shares[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99_9", 0.999}};
        printf(",\"mean\":%llu", (unsigned long long)(histogram->sum / histogram->count));
        for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++)
            printf(",\"%s\":%llu", shares[i].name,
                   (unsigned long long)histogram_percentile(histogram, shares[i].share));
        printf(",\"max\":%llu", (unsigned long long)histogram->max);
    }
    putchar('}');
}

static void print_count(const char *name, uint64_t count)
{
    printf(",\"%s\":%llu", name, (unsigned long long)count);
}

void phase_run(const struct phase_options *options, struct publisher *publisher, bool trips)
{
    static struct progress progress;
    progress = (struct progress){.refused_before = publisher == NULL ? 0 : publisher->refused};
    progress.receivers = publisher == NULL ? 0 : receivers_per_channel(publisher->options->channel_count);
    receivers_reset_counts();
    measure = (struct measure){0};
    uint64_t cpu_before_ns = cpu_ns();
    uint64_t waited_before_ns = loop_waited_ns();
    uint64_t start_ns = clock_now();
    progress.start_ns = start_ns;
    measure.last_ns = start_ns;
    if (trips)
        trips_start();
    if (options->slow)
        receivers_set_slow(true);
    work(options, &progress, publisher, start_ns);
    uint64_t work_ns = clock_now() - start_ns;
    uint64_t idle_ns = loop_waited_ns() - waited_before_ns;
    if (options->slow)
        receivers_set_slow(false);
    if (trips)
        trips_stop();
    drain(options, &progress, publisher, trips);
    uint64_t end_ns = measure.delivered > 0 ? measure.last_ns : clock_now();
    uint64_t smallest;
    uint64_t largest;
    receivers_spread(&smallest, &largest);
    delivered_total += measure.delivered;
    published_total += published(&progress, publisher);
    printf("{\"event\":\"result\",\"seconds\":%.6f", (double)(end_ns - start_ns) / 1e9);
    printf(",\"cpu_seconds\":%.6f", (double)(cpu_ns() - cpu_before_ns) / 1e9);
    printf(",\"busy\":%.3f", 1 - (double)idle_ns / (double)work_ns);
    print_count("published", published(&progress, publisher));
    print_count("refused", publisher == NULL ? 0 : publisher->refused - progress.refused_before);
    print_count("delivered", measure.delivered);
    print_count("expected", trips ? measure.delivered : expected(&progress, publisher));
    print_count("unstamped", measure.unstamped);
    print_count("published_total", published_total);
    print_count("delivered_total", delivered_total);
    print_count("receivers", receivers_open_count());
    printf(",\"receivers_per_channel\":%ld", progress.receivers);
    print_count("per_receiver_min", smallest);
    print_count("per_receiver_max", largest);
    print_histogram("latency_ns", &measure.latency);
    print_histogram("late_ns", &progress.late);
    printf(",\"errors\":");
    tally_print(stdout);
    puts("}");
    fflush(stdout);
}
