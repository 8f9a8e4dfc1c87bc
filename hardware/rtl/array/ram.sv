// A memory with one write port and one registered read port: one bank of an on-chip buffer.
module ram #(
    parameter int W = 8,    // bits of a word
    parameter int DEPTH = 512  // words
) (
    input  logic                     clk,      // clock
    input  logic                     we,       // write this cycle
    input  logic [$clog2(DEPTH)-1:0] wr_addr,  // word to write
    input  logic [            W-1:0] wr_data,  // what to write
    input  logic                     re,       // read this cycle; else rd_data keeps its value
    input  logic [$clog2(DEPTH)-1:0] rd_addr,  // word to read
    output logic [            W-1:0] rd_data   // the word read, one cycle later
);
  (* ram_style = "block" *) logic [W-1:0] words[DEPTH];

  always_ff @(posedge clk) begin
    if (we) words[wr_addr] <= wr_data;
    if (re) rd_data <= words[rd_addr];
  end
endmodule
