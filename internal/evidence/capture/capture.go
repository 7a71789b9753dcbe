// Package capture collects the evidence of one case into a folder: from a
// net/http/pprof server, from a command it runs, or from a process that it ends
// with SIGQUIT. What it keeps has been read by the readers that the analysis uses; it
// judges nothing, and it never keeps what is no evidence. A manifest beside the files
// says when each was taken and what could not be (docs/capture.md).
package capture
