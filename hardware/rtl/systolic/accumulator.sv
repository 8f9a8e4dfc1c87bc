// The sums of one column: each fold adds to what the folds before left there.
module accumulator #(
    parameter int AW = 32,     // bits of a sum
    parameter int DEPTH = 512  // sums, a power of two
) (
    input  logic                            clk,       // clock
    input  logic                            en,        // a sum arrives in the next cycle
    input  logic                            first,     // it starts a new total
    input  logic        [$clog2(DEPTH)-1:0] word,      // its place
    input  logic signed [           AW-1:0] sum,       // the sum, one cycle after `en`
    input  logic        [$clog2(DEPTH)-1:0] read_word, // place to read when `en` is low
    output logic signed [           AW-1:0] total      // total at that place, one cycle later
);
  logic en_q, first_q;
  logic [$clog2(DEPTH)-1:0] word_q;
  logic signed [AW-1:0] updated;
  assign updated = (first_q ? AW'(0) : total) + sum;

  always_ff @(posedge clk) begin
    en_q <= en;
    first_q <= first;
    word_q <= word;
  end

  ram #(.W(AW), .DEPTH(DEPTH)) sums (
      .clk,
      .we     (en_q),
      .wr_addr(word_q),
      .wr_data(updated),
      .re     (1'b1),
      .rd_addr(en ? word : read_word),
      .rd_data(total)
  );
endmodule
