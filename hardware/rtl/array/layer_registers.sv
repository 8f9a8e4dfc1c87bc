// The layer's description, shifted in 32 bits at a time, first word first; the last $bits(layer_t) bits count.
module layer_registers (
    input  logic        clk,    // clock
    input  logic        we,     // one more word
    input  logic [31:0] wdata,  // the word
    output layer_t      cfg     // the description
);
  localparam int WORDS = ($bits(layer_t) + 31) / 32;
  logic [WORDS*32-1:0] words;
  always_ff @(posedge clk) if (we) words <= {words[WORDS*32-33:0], wdata};
  assign cfg = words[$bits(layer_t)-1:0];
endmodule
