package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// How long components may take to end.
const patience = 1500 * time.Millisecond

// processes are the components that run. The end of any is the end of all.
type processes struct {
	mutex sync.Mutex
	all   []*process
	ended chan error
}

type process struct {
	name    string
	command *exec.Cmd
	done    chan struct{}
	// Whether others need it while they end.
	isBase bool
}

func newProcesses() *processes {
	return &processes{ended: make(chan error, 16)}
}

// component starts a program that is part of this one. The first argument is its name.
func (p *processes) component(name string, isBase bool, arguments ...string) error {
	own, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.Command(own)
	command.Args = arguments
	return p.start(name, isBase, command)
}

func (p *processes) start(name string, isBase bool, command *exec.Cmd) error {
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	one := &process{name: name, command: command, done: make(chan struct{}), isBase: isBase}
	started := make(chan error, 1)
	go func() {
		// The kernel ends a child with the thread that started it.
		runtime.LockOSThread()
		err := command.Start()
		started <- err
		if err != nil {
			return
		}
		err = command.Wait()
		close(one.done)
		p.ended <- fmt.Errorf("%s ended: %v", name, err)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	log.Printf("level=info msg=\"Running %s\"", name)
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.all = append(p.all, one)
	return nil
}

// stop ends all: first those that need the others. Containers go on.
func (p *processes) stop() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, base := range []bool{false, true} {
		for _, one := range p.all {
			if one.isBase == base {
				_ = one.command.Process.Signal(syscall.SIGTERM)
			}
		}
		limit := time.After(patience)
		for _, one := range p.all {
			if one.isBase != base {
				continue
			}
			select {
			case <-one.done:
			case <-limit:
				_ = one.command.Process.Kill()
				<-one.done
			}
		}
	}
}
