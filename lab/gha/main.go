// Command gha is GitHub's cache service as act has it, without act: version 1 of the interface.
package main

import (
	"flag"
	"fmt"
	"log"

	"github.com/nektos/act/pkg/artifactcache"
	"github.com/sirupsen/logrus"
)

func main() {
	directory := flag.String("directory", "", "where the caches are kept")
	port := flag.Uint("port", 0, "of the loopback interface")
	flag.Parse()

	logger := logrus.New()
	logger.SetLevel(logrus.DebugLevel) // a line for each request
	service, err := artifactcache.StartHandler(*directory, "", "127.0.0.1", uint16(*port), logger)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(service.ExternalURL()) // its path is another one at each start
	select {}
}
