// Package keep is the clew_keep processor: it stands between receivers that
// read files and the exporter's queue on disk, and lets no line get lost on
// that way.
//
// A file receiver moves its offset on as soon as the pipeline has returned,
// whatever the pipeline said. So this processor
//
//   - returns only when the next component has taken the records (the queue
//     on disk has them), and tries again for as long as it does not;
//   - when the agent stops meanwhile, writes what was not taken to storage,
//     and sends it on at the next start: the offset will have moved;
//   - joins what arrives while another batch is being written into one
//     request, so that many small files cost one write and one request, not
//     one each. It never waits for more to come.
//
// It joins before the queue rather than behind it, so that the request in the
// queue is the request that is sent, to the byte, also after a crash: the
// server recognises it and does not store it twice.
package keep
