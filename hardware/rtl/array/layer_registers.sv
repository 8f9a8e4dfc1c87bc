// The layer's description, shifted in 32 bits at a time, first word first; what no longer fits falls out at the top.
module layer_registers (
    input  logic        clk,    // clock
    input  logic        we,     // one more word
    input  logic [31:0] wdata,  // the word
    output layer_t      cfg     // the description
);
  /* verilator lint_off WIDTH */  // the oldest word falls out
  always_ff @(posedge clk) if (we) cfg <= {cfg, wdata};
  /* verilator lint_on WIDTH */
endmodule
