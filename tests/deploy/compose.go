// Loads a compose file as docker compose does, once for each profile, and prints the services that would start.
// Usage: compose FILE PROFILE...
package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	for _, profile := range os.Args[2:] {
		options, err := cli.NewProjectOptions(os.Args[1:2], cli.WithProfiles([]string{profile}), cli.WithResolvedPaths(true))
		if err == nil {
			var names []string
			project, failed := options.LoadProject(context.Background())
			if err = failed; err == nil {
				for name := range project.Services {
					names = append(names, name)
				}
				sort.Strings(names)
				fmt.Printf("profile %s: %s\n", profile, strings.Join(names, ", "))
				continue
			}
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
