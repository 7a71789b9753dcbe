// Command inquest holds an inquest into a Go process: it reads the evidence an
// incident left behind and reports what happened, how sure that is, and which bytes prove it.
package main

import (
	"os"

	"inquest/cmd"
)

func main() {
	os.Exit(cmd.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
