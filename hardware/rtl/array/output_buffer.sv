// Two halves of POF banks; a word of a bank is POX neighbouring results of one channel. The array writes all banks
// at once (a row of POX x POF results), the store reads one bank.
module output_buffer #(
    parameter int POX = 4,     // results of a word
    parameter int POF = 4,     // banks, one a channel of a block
    parameter int DW = 8,      // bits of a result
    parameter int DEPTH = 256  // words of a bank in one half, a power of two
) (
    input  logic                  clk,      // clock
    input  logic                  we,       // write a row this cycle
    input  logic                  wr_half,  // half to write
    input  logic [          15:0] wr_word,  // word to write, in every bank
    input  logic [POX*POF*DW-1:0] wr_data,  // result of column j, channel f at [(j*POF+f)*DW +: DW]
    input  logic                  re,       // read this cycle; else rd_data keeps its value
    input  logic                  rd_half,  // half to read
    input  logic [          15:0] rd_word,  // word to read
    input  logic [           7:0] rd_bank,  // bank to read
    output logic [    POX*DW-1:0] rd_data   // result of column j at [j*DW +: DW], one cycle later
);
  localparam int A = $clog2(DEPTH);
  logic [POF*POX*DW-1:0] words;
  logic [7:0] bank_q;

  for (genvar f = 0; f < POF; f++) begin : g_bank
    logic [POX*DW-1:0] word;
    for (genvar j = 0; j < POX; j++) begin : g_column
      assign word[j*DW+:DW] = wr_data[(j*POF+f)*DW+:DW];
    end
    ram #(.W(POX * DW), .DEPTH(2 * DEPTH)) bank (
        .clk,
        .we,
        .wr_addr({wr_half, wr_word[A-1:0]}),
        .wr_data(word),
        .re,
        .rd_addr({rd_half, rd_word[A-1:0]}),
        .rd_data(words[f*POX*DW+:POX*DW])
    );
  end

  always_ff @(posedge clk) if (re) bank_q <= rd_bank;
  always_comb begin
    rd_data = words[POX*DW-1:0];
    for (int f = 1; f < POF; f++) if (bank_q == 8'(f)) rd_data = words[f*POX*DW+:POX*DW];
  end
endmodule
