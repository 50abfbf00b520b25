// Package queuefile is the clew_queue_file extension: the Collector's
// file_storage, made safe for the start of an exporter's queue.
//
// When a queue on disk starts, it takes up the requests that were being sent
// when the agent ended: it deletes them all and then writes them again behind
// the rest, one by one. An agent that is killed in between has lost those that
// it had not written yet. A crash loop, or a machine that runs out of memory
// again and again, hits that window.
//
// This extension holds such deletes back until the queue goes on with its
// work, and does them in the same transaction as the queue's next step. A kill
// before that finds the requests where they were; those that were written
// already are sent twice, to the byte, and the server recognises them.
//
// It owns no format: directories and settings are those of file_storage.
package queuefile
