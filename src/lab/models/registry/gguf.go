package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// The size of the model. It is a real one, with weights from a generator of numbers: it answers, and means nothing by it.
const (
	tokens    = 384
	width     = 64
	inner     = 128
	layers    = 2
	heads     = 4
	context   = 512
	alignment = 32
)

// Types of values in a file of the format GGUF.
const (
	typeU32    = 4
	typeI32    = 5
	typeF32    = 6
	typeString = 8
	typeArray  = 9
)

type tensor struct {
	name       string
	dimensions []uint64
	// Of a norm: all weights are 1.
	isNorm bool
}

// tinyModel is the model as a file of the format GGUF. It is the same each time.
func tinyModel() []byte {
	var file bytes.Buffer
	write := func(values ...any) {
		for _, value := range values {
			if text, ok := value.(string); ok {
				write64(&file, uint64(len(text)))
				file.WriteString(text)
			} else if err := binary.Write(&file, binary.LittleEndian, value); err != nil {
				panic(err)
			}
		}
	}
	tensors := allTensors()
	number := func(key string, value uint32) { write(key, uint32(typeU32), value) }
	file.WriteString("GGUF")
	write(uint32(3), uint64(len(tensors)), uint64(18))
	write("general.architecture", uint32(typeString), "llama")
	write("general.name", uint32(typeString), "tiny")
	number("general.file_type", 0)
	number("llama.vocab_size", tokens)
	number("llama.context_length", context)
	number("llama.embedding_length", width)
	number("llama.block_count", layers)
	number("llama.feed_forward_length", inner)
	number("llama.attention.head_count", heads)
	number("llama.attention.head_count_kv", heads)
	number("llama.rope.dimension_count", width/heads)
	write("llama.attention.layer_norm_rms_epsilon", uint32(typeF32), float32(1e-5))
	write("tokenizer.ggml.model", uint32(typeString), "llama")
	words, kinds := vocabulary()
	write("tokenizer.ggml.tokens", uint32(typeArray), uint32(typeString), uint64(tokens))
	for _, word := range words {
		write(word)
	}
	write("tokenizer.ggml.scores", uint32(typeArray), uint32(typeF32), uint64(tokens))
	for at := range words {
		write(float32(-at))
	}
	write("tokenizer.ggml.token_type", uint32(typeArray), uint32(typeI32), uint64(tokens), kinds)
	number("tokenizer.ggml.bos_token_id", 1)
	number("tokenizer.ggml.eos_token_id", 2)
	offset := uint64(0)
	for _, one := range tensors {
		write(one.name, uint32(len(one.dimensions)), one.dimensions, uint32(0), offset)
		offset += padded(4 * one.count())
	}
	file.Write(make([]byte, padded(uint64(file.Len()))-uint64(file.Len())))
	numbers := rand.New(rand.NewPCG(1, 2))
	for _, one := range tensors {
		weights := make([]float32, one.count())
		for at := range weights {
			weights[at] = 1
			if !one.isNorm {
				weights[at] = float32(numbers.NormFloat64() / 8)
			}
		}
		write(weights)
		file.Write(make([]byte, padded(4*one.count())-4*one.count()))
	}
	return file.Bytes()
}

func write64(file *bytes.Buffer, value uint64) {
	file.Write(binary.LittleEndian.AppendUint64(nil, value))
}

func padded(size uint64) uint64 {
	return (size + alignment - 1) / alignment * alignment
}

func (t tensor) count() uint64 {
	count := uint64(1)
	for _, one := range t.dimensions {
		count *= one
	}
	return count
}

func allTensors() []tensor {
	all := []tensor{
		{"token_embd.weight", []uint64{width, tokens}, false},
		{"output_norm.weight", []uint64{width}, true},
		{"output.weight", []uint64{width, tokens}, false},
	}
	for layer := range layers {
		name := func(part string) string { return fmt.Sprintf("blk.%d.%s.weight", layer, part) }
		all = append(all, tensor{name("attn_norm"), []uint64{width}, true}, tensor{name("ffn_norm"), []uint64{width}, true})
		for _, part := range []string{"attn_q", "attn_k", "attn_v", "attn_output"} {
			all = append(all, tensor{name(part), []uint64{width, width}, false})
		}
		all = append(all,
			tensor{name("ffn_gate"), []uint64{width, inner}, false},
			tensor{name("ffn_up"), []uint64{width, inner}, false},
			tensor{name("ffn_down"), []uint64{inner, width}, false})
	}
	return all
}

// vocabulary has the three special tokens, all bytes, and some words; and of which kind they are.
func vocabulary() ([]string, []int32) {
	words, kinds := []string{"<unk>", "<s>", "</s>"}, []int32{2, 3, 3}
	for one := range 256 {
		words, kinds = append(words, fmt.Sprintf("<0x%02X>", one)), append(kinds, 6)
	}
	for len(words) < tokens {
		at := len(words) - 259
		word := "▁" + string(rune('a'+at%26)) + string(rune('a'+at/26))
		if at < 26 {
			word = string(rune('a' + at))
		} else if at == 26 {
			word = "▁"
		}
		words, kinds = append(words, word), append(kinds, 1)
	}
	return words, kinds
}
