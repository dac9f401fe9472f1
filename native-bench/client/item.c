#include "item.h"

#include <stdlib.h>

#include "stamp.h"

void item_add_content(struct text *text, size_t message_bytes, const char *line_end)
{
    size_t line_end_bytes = line_end[0] == '\0' ? 0 : 1;
    text_add(text, STAMP_MARK, STAMP_BYTES);
    for (size_t i = STAMP_BYTES + line_end_bytes; i < message_bytes; i++)
        text_add(text, "x", 1);
    text_print(text, "%s", line_end);
}

static void add_json(struct text *text, const struct publisher_options *options)
{
    text_print(text, "{\"channel\":\"");
    text_add_channel_mark(text, options->channel, options->channel_count);
    text_print(text, "\",\"formats\":{");
    if (options->for_ws) {
        text_print(text, "\"ws-message\":{\"content\":\"");
        item_add_content(text, options->message_bytes, "");
        text_print(text, options->for_streams ? "\"}," : "\"}");
    }
    if (options->for_streams) {
        text_print(text, "\"http-stream\":{\"content\":\"");
        item_add_content(text, options->message_bytes, "\\n");
        text_print(text, "\"}");
    }
    text_print(text, "}}");
}

/* Adds `inner` with its length and type, and frees it. */
static void add_tagged(struct text *text, struct text inner, char tag)
{
    text_print(text, "%zu:", inner.length);
    text_add(text, inner.bytes, inner.length);
    text_add(text, &tag, 1);
    free(inner.bytes);
}

static void add_string(struct text *text, const char *value)
{
    struct text inner = {0};
    text_print(&inner, "%s", value);
    add_tagged(text, inner, ',');
}

static void add_format(struct text *formats, const char *name, size_t message_bytes, const char *line_end)
{
    struct text content = {0};
    item_add_content(&content, message_bytes, line_end);
    struct text format = {0};
    add_string(&format, "content");
    add_tagged(&format, content, ',');
    add_string(formats, name);
    add_tagged(formats, format, '}');
}

static void add_tnetstring(struct text *text, const struct publisher_options *options)
{
    struct text channel = {0};
    text_add_channel_mark(&channel, options->channel, options->channel_count);
    struct text formats = {0};
    if (options->for_ws)
        add_format(&formats, "ws-message", options->message_bytes, "");
    if (options->for_streams)
        add_format(&formats, "http-stream", options->message_bytes, "\n");
    struct text item = {0};
    add_string(&item, "channel");
    add_tagged(&item, channel, ',');
    add_string(&item, "formats");
    add_tagged(&item, formats, '}');
    add_tagged(text, item, '}');
}

void item_add(struct text *text, const struct publisher_options *options, bool tnetstring)
{
    if (tnetstring)
        add_tnetstring(text, options);
    else
        add_json(text, options);
}
